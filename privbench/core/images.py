"""Labelled images: what defenders train on and adversaries know."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class LabelledImages:
    """A batch of images with what is known of them.

    Attributes:
        images: float32 [N, C, H, W] in [0, 1]; of a dataset that is not split yet, also uint8 in 0..255.
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

    def floats(self) -> LabelledImages:
        """The same images as float32 in [0, 1]."""
        return replace(self, images=to_float(self.images))

    def to(self, device: torch.device | str) -> LabelledImages:
        """The same images on ``device``."""
        return LabelledImages(
            self.images.to(device),
            self.labels.to(device),
            None if self.identities is None else self.identities.to(device),
            None if self.attributes is None else self.attributes.to(device),
        )


def to_float(images: torch.Tensor) -> torch.Tensor:
    """Images as float32 in [0, 1], of the same shape: uint8 is divided by 255, floats stay as they are."""
    if images.dtype == torch.uint8:
        return images.to(torch.float32).div_(255.0)
    return images
