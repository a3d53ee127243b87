"""Reading a dataset as a run uses it: cropped, checked, and with what was noticed about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from privbench.core.dataset import Dataset, DatasetSource
from privbench.core.errors import DataError, counted
from privbench.data.checks import CHUNK, MIN_SIDE, checked_dataset

_DARK = 0.25
_SHARE = 0.05
"""From which share of grey images on a warning is due: a few are among any photographs."""


def read(source: DatasetSource) -> Dataset:
    """Load ``source``, cut its ``crop`` out, and add to notes and warnings what holds of any dataset.

    Raises:
        DataError: it is missing or cannot be used, or ``crop`` is larger than its images.
    """
    dataset = source.load()
    if source.crop is not None:
        dataset = _cropped(source.selector, dataset, source.crop)
    return replace(
        dataset,
        notes=(_summary(dataset), *dataset.notes),
        warnings=(*dataset.warnings, *_noticed(source, dataset.data.images)),
    )


def _cropped(name: str, dataset: Dataset, side: int) -> Dataset:
    height, width = dataset.data.images.shape[2:]
    if side > min(height, width):
        raise DataError(
            f"{name}: crop={side} is larger than the images of {height}×{width} px. Choose {MIN_SIDE} to "
            f"{min(height, width)}."
        )
    top, left = (height - side) // 2, (width - side) // 2
    images = dataset.data.images[:, :, top : top + side, left : left + side].contiguous()
    return checked_dataset(
        name,
        replace(dataset.data, images=images),
        dataset.class_names,
        dataset.attribute_names,
        dataset.identity_disjoint,
        notes=(*dataset.notes, f"centre {side}×{side} of {height}×{width} px cut out"),
        warnings=dataset.warnings,
    )


def _summary(dataset: Dataset) -> str:
    count, channels, height, width = dataset.data.images.shape
    parts = [f"{count:,} images, {'grey' if channels == 1 else 'colour'} {height}×{width} px"]
    parts.append(f"{len(dataset.class_names)} classes" if dataset.class_names else "no classes")
    if dataset.data.identities is not None:
        parts.append(f"of {len(torch.unique(dataset.data.identities)):,} people")
    if dataset.attribute_names:
        parts.append(counted(len(dataset.attribute_names), "attribute"))
    return ", ".join(parts)


def _noticed(source: DatasetSource, images: torch.Tensor) -> Iterator[str]:
    alike = grey_images(images)
    if alike and alike >= _SHARE * len(images):
        way = "grey=true" if "grey" in type(source).model_fields else "giving them one channel"
        yield (
            f"{counted(alike, 'image')} of {len(images):,} with three equal channels: what a defense does to "
            f"each channel on its own can be averaged over three. {way} ends it."
        )
    top = float(images.max()) / (255 if images.dtype == torch.uint8 else 1)
    if top < _DARK:
        yield (
            f"the brightest pixel is {top:.2f} of 1: PSNR and SSIM take differences for small. If the files "
            "use a smaller range, scale them to it."
        )


def grey_images(images: torch.Tensor) -> int:
    """How many of ``images`` [N, 3, H, W] have three equal channels; 0 where there is one channel."""
    if images.shape[1] == 1:
        return 0
    parts = torch.split(images, CHUNK)
    same = ((part[:, :1] == part[:, 1:]).flatten(1).all(dim=1) for part in parts)
    return sum(int(part.sum()) for part in same)
