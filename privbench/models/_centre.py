"""Centring of images, apart from the blocks whose torchvision takes a process two seconds to import."""

from __future__ import annotations

import torch


class Centre(torch.nn.Module):
    """Images from [0, 1] to [-1, 1]: a network without normalisation hardly trains on bright images."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The centred images, same shape."""
        return 2 * images - 1
