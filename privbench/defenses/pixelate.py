"""Pixelation, the yardstick of every shuffle: it releases what a shuffle preserves exactly."""

from __future__ import annotations

import torch
from pydantic import Field

from privbench.core.defense import ImageDefense
from privbench.core.errors import UserError
from privbench.core.keys import Keys
from privbench.core.registry import register


@register("pixelate")
class Pixelate(ImageDefense):
    """Replaces each block by its mean; a shuffle within such blocks releases strictly more.

    Blocks start at the top left; those cut by the right or the bottom edge average what is there.
    """

    source = "mosaic filter; McPherson, Shokri, Shmatikov, Defeating Image Obfuscation, 2016, breaks it"

    block: int = Field(4, ge=2, description="side of a block in pixels")

    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """Images of block means, at the size of the originals.

        Raises:
            UserError: a block is larger than the images.
        """
        height, width = images.shape[2:]
        if self.block > max(height, width):
            raise UserError(
                f"pixelate: block={self.block} is larger than images of {height}x{width} px, of which "
                f"block={max(height, width)} averages all. Choose 2 to {max(height, width)}."
            )
        block = (min(self.block, height), min(self.block, width))
        means = torch.nn.functional.avg_pool2d(images, block, ceil_mode=True, count_include_pad=False)
        blocks = means.repeat_interleave(block[0], dim=2).repeat_interleave(block[1], dim=3)
        return blocks[..., :height, :width].contiguous().clamp(0, 1)
