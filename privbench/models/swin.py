"""Swin (Liu et al.): Swin-T, or two narrow stages for 28 to 32 pixels."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from privbench.core.model import Model
from privbench.core.registry import register


@register("swin")
class Swin(Model):
    """Transformer over shifted windows; ready for per-sample gradients as it is.

    The small one cuts patches of 2 pixels (4 above 40 pixels a side) and windows of 7 where they
    divide the map, else of 4.
    """

    source = "Liu et al., Swin transformer: hierarchical vision transformer using shifted windows, ICCV 2021"

    size: Literal["small", "paper"] = Field("small", description="paper: Swin-T with stochastic depth 0.2")

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module for images of ``shape`` (C, H, W), float32 in [0, 1].

        Raises:
            DataError: a side is below 16 pixels.
        """
        from privbench.models._adapt import require_side
        from privbench.models._shifted_windows import SwinTransformer

        require_side(self, shape, self.min_side)
        channels, height, width = shape
        if self.size == "paper":
            return SwinTransformer(
                channels,
                outputs,
                patch=4,
                dim=96,
                depths=(2, 2, 6, 2),
                heads=(3, 6, 12, 24),
                window=7,
                drop=0.2,
            )
        patch = 2 if max(height, width) <= 40 else 4
        whole = all(side // patch % 7 == 0 for side in (height, width))
        return SwinTransformer(
            channels, outputs, patch=patch, dim=32, depths=(2, 2), heads=(2, 4), window=7 if whole else 4
        )

    def feature_layers(self) -> tuple[str, ...]:
        """The patch embedding, each stage, the normed maps; all [N, H, W, D]."""
        stages = (f"stages.{number}" for number in range(2 if self.size == "small" else 4))
        return "patches", *stages, "norm"
