"""A network that draws images from feature vectors."""

from __future__ import annotations

import torch
from torch import nn


class Deconvolution(nn.Module):
    """A linear layer to a small map, then upsampling and convolutions to the image; outputs in (0, 1).

    Args:
        features: D, the width of a feature vector.
        shape: (C, H, W) of the images.
        width: channels of the small map; halved at each step, to 16 at least.
    """

    def __init__(self, features: int, shape: tuple[int, int, int], width: int = 64) -> None:
        super().__init__()
        channels, height, width_px = shape
        steps = 0
        while min(height, width_px) / 2 ** (steps + 1) >= 4:
            steps += 1
        self.shape = shape
        # Rounded up: what is too much is cut off at the end.
        self.start = (width, -(-height // 2**steps), -(-width_px // 2**steps))
        self.expand = nn.Linear(features, width * self.start[1] * self.start[2])
        parts: list[nn.Module] = []
        have = width
        for _ in range(steps):
            want = max(have // 2, 16)
            parts += [
                nn.Upsample(scale_factor=2),
                nn.Conv2d(have, want, 3, padding=1),
                nn.GroupNorm(4, want),
                nn.ReLU(),
            ]
            have = want
        self.draw = nn.Sequential(*parts, nn.Conv2d(have, channels, 3, padding=1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map [N, D] to [N, C, H, W]."""
        maps = self.expand(features).relu().view(-1, *self.start)
        drawn: torch.Tensor = self.draw(maps).sigmoid()
        return drawn[..., : self.shape[1], : self.shape[2]]
