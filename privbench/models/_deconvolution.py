"""A network that draws images from feature vectors."""

from __future__ import annotations

import math

import torch
from torch import nn

_LEAST_SIDE = 4


class Deconvolution(nn.Module):
    """A linear layer to a small map, then sub-pixel convolutions to the image; outputs in (0, 1).

    Each convolution makes four maps of one, whose numbers become the four pixels of the next size (Shi et
    al., Real-time single image super-resolution, CVPR 2016): a quarter of the work of convolving what was
    enlarged before.

    Args:
        features: D, the width of a feature vector.
        shape: (C, H, W) of the images.
        width: channels of the small map; halved at each step, to 16 at least.
    """

    def __init__(self, features: int, shape: tuple[int, int, int], width: int = 64) -> None:
        super().__init__()
        channels, height, width_px = shape
        steps = 1
        while min(height, width_px) / 2 ** (steps + 1) >= _LEAST_SIDE:
            steps += 1
        self.shape = shape
        # Rounded up: what is too much is cut off at the end.
        self.start = (width, -(-height // 2**steps), -(-width_px // 2**steps))
        self.expand = nn.Linear(features, math.prod(self.start))
        parts: list[nn.Module] = []
        have = width
        for _ in range(steps - 1):
            want = max(have // 2, 16)
            parts += [*_activation(have), nn.Conv2d(have, 4 * want, 3, padding=1), nn.PixelShuffle(2)]
            have = want
        parts += [*_activation(have), nn.Conv2d(have, 4 * channels, 3, padding=1), nn.PixelShuffle(2)]
        self.draw = nn.Sequential(*parts)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map [N, D] to [N, C, H, W]."""
        maps = self.expand(features).view(-1, *self.start)
        drawn: torch.Tensor = self.draw(maps).sigmoid()
        return drawn[..., : self.shape[1], : self.shape[2]]


def _activation(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.GroupNorm(math.gcd(4, channels), channels), nn.ReLU()
