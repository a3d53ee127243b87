"""ViT (Dosovitskiy et al.): ViT-B, or four narrow blocks."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field

from privbench.core.errors import DataError
from privbench.core.model import Model
from privbench.core.registry import register


@register("vit")
class Vit(Model):
    """Vision transformer with a class token; ready for per-sample gradients as it is.

    The patch is the largest divisor of both sides, up to 16, that leaves seven or more patches
    along the shorter side: 4 for 28 and 32 pixels, 8 for 56, 16 for 224.
    """

    source = "Dosovitskiy et al., An image is worth 16x16 words, ICLR 2021"

    size: Literal["small", "paper"] = Field("small", description="paper: ViT-B (12 blocks of width 768)")

    def patch(self, shape: tuple[int, int, int]) -> int:
        """The side of a patch, in pixels, for images of ``shape`` (C, H, W).

        Raises:
            DataError: no patch of two or more pixels divides both sides.
        """
        side, common = min(shape[1:]), math.gcd(*shape[1:])
        fits = [p for p in range(2, 17) if common % p == 0 and side // p >= 7]
        if not fits:
            raise DataError(
                f"model {self.selector!r} cuts images into square patches of 2 to 16 pixels, and none "
                f"divides {shape[1]}x{shape[2]}. Resize the images, e.g. to a multiple of 4."
            )
        return fits[-1]

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module for images of ``shape`` (C, H, W), float32 in [0, 1].

        Raises:
            DataError: a side is below 16 pixels, or no patch divides both sides.
        """
        from privbench.models._adapt import require_side
        from privbench.models._vision_transformer import VisionTransformer

        require_side(self, shape, self.min_side)
        patch = self.patch(shape)
        if self.size == "paper":
            return VisionTransformer(shape, outputs, patch, dim=768, depth=12, heads=12, hidden=3072)
        return VisionTransformer(shape, outputs, patch, dim=64, depth=4, heads=4, hidden=128)

    def feature_layers(self) -> tuple[str, ...]:
        """The patch embedding [N, D, H, W], each block's tokens [N, T, D], the normed tokens."""
        blocks = (f"blocks.{number}" for number in range(4 if self.size == "small" else 12))
        return "patches", *blocks, "norm"
