"""Labelled images: what defenders train on and adversaries know."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class LabelledImages:
    """A batch of images with what is known of them.

    Attributes:
        images: float32 [N, C, H, W] in [0, 1].
        labels: [N, ...], what is taught of them: int64 [N] classes, float [N, K] where a defense mixes
            classes, or what else the task makes of them.
        identities: int64 [N] or None, who is in the picture.
        attributes: int64 [N, A] or None, visual attributes (0 or 1); float in [0, 1] where they are mixed.
    """

    images: torch.Tensor
    labels: torch.Tensor
    identities: torch.Tensor | None = None
    attributes: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: torch.Tensor | slice) -> LabelledImages:
        return LabelledImages(
            self.images[index],
            self.labels[index],
            None if self.identities is None else self.identities[index],
            None if self.attributes is None else self.attributes[index],
        )

    def to(self, device: torch.device | str) -> LabelledImages:
        """The same images on ``device``."""
        return LabelledImages(
            self.images.to(device),
            self.labels.to(device),
            None if self.identities is None else self.identities.to(device),
            None if self.attributes is None else self.attributes.to(device),
        )
