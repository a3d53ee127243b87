"""Augmentation on the device: small shifts and horizontal flips, one batch at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch

MAX_SHIFT = 2


@dataclass(frozen=True)
class Augmentation:
    """How each of N images is to be changed.

    Attributes:
        shifts: int64 [N, 2], down and right, each from -MAX_SHIFT to MAX_SHIFT pixels.
        flips: bool [N], which images are mirrored (before they are shifted).
    """

    shifts: torch.Tensor
    flips: torch.Tensor

    @classmethod
    def draw(cls, count: int, flip: bool, generator: torch.Generator) -> Augmentation:
        """Draw uniform shifts, and flips with probability 1/2 where ``flip`` is set."""
        shifts = torch.randint(-MAX_SHIFT, MAX_SHIFT + 1, (count, 2), generator=generator)
        flips = torch.rand(count, generator=generator) < (0.5 if flip else 0.0)
        return cls(shifts, flips)

    def __getitem__(self, index: torch.Tensor) -> Augmentation:
        return Augmentation(self.shifts[index], self.flips[index])

    def to(self, device: torch.device | str) -> Augmentation:
        """The same augmentation, on ``device``."""
        return Augmentation(self.shifts.to(device), self.flips.to(device))

    def apply(self, images: torch.Tensor) -> torch.Tensor:
        """Flip and shift ``images`` [N, C, H, W]; pixels that come from outside are 0."""
        height, width = images.shape[-2:]
        flipped = torch.where(self.flips[:, None, None, None], images.flip(-1), images)
        padded = torch.nn.functional.pad(flipped, (MAX_SHIFT,) * 4)
        # A view of every shifted crop; the indexing copies only the chosen ones.
        crops = padded.unfold(2, height, 1).unfold(3, width, 1)
        down, right = (MAX_SHIFT - self.shifts).unbind(1)
        return crops[torch.arange(len(images), device=images.device), :, down, right]
