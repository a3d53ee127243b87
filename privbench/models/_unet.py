"""A small U-Net that corrects an estimate of an image."""

from __future__ import annotations

import torch
from torch import nn


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """Three levels of ``width``, 2 and 4 ``width`` channels with skip connections (Ronneberger et al. 2015).

    The last layer starts at zero, so that a residual network starts at the estimate it corrects.
    Images of any side from 8 pixels are padded (repeating the border) to multiples of four inside.

    Args:
        inputs: channels in.
        outputs: channels out.
        width: channels of the first level.
    """

    def __init__(self, inputs: int, outputs: int, width: int = 16) -> None:
        super().__init__()
        self.encode1 = _block(inputs, width)
        self.encode2 = _block(width, 2 * width)
        self.bottom = _block(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.decode2 = _block(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.decode1 = _block(2 * width, width)
        self.head = nn.Conv2d(width, outputs, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map float [N, inputs, H, W] to float [N, outputs, H, W]."""
        height, width = images.shape[-2:]
        padded = nn.functional.pad(images, (0, -width % 4, 0, -height % 4), mode="replicate")
        level1 = self.encode1(padded)
        level2 = self.encode2(nn.functional.max_pool2d(level1, 2))
        level3 = self.bottom(nn.functional.max_pool2d(level2, 2))
        level2 = self.decode2(torch.cat([self.up2(level3), level2], 1))
        level1 = self.decode1(torch.cat([self.up1(level2), level1], 1))
        output: torch.Tensor = self.head(level1)
        return output[..., :height, :width]
