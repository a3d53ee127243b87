"""Checks that every dataset passes before anything is trained on it, and its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError, counted
from privbench.core.images import LabelledImages

MIN_SIDE = 8
MIN_PER_CLASS = 2


def check_images(images: torch.Tensor, name: str) -> None:
    """Raise DataError unless ``images`` is float32 [N, C, H, W] in [0, 1], C is 1 or 3, sides ≥ 8."""
    if images.dtype != torch.float32:
        raise DataError(f"{name}: images are {images.dtype}; expected torch.float32 in [0, 1].")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise DataError(
            f"{name}: images have shape {list(images.shape)}; expected [N, C, H, W], "
            "C being 1 (grey) or 3 (RGB)."
        )
    if not len(images):
        raise DataError(f"{name}: there are no images.")
    if min(images.shape[2:]) < MIN_SIDE:
        height, width = images.shape[2:]
        raise DataError(f"{name}: images are {height}×{width}; each side must be at least {MIN_SIDE} pixels.")
    # The extremes are NaN where any pixel is: one pass finds a fault, a second one names it.
    low, high = (float(value) for value in torch.aminmax(images))
    if not (low >= 0 and high <= 1):
        finite = torch.isfinite(images).flatten(1).all(dim=1)
        if not finite.all():
            bad = (~finite).nonzero()[:, 0]
            raise DataError(
                f"{name}: NaN or infinite pixels in {counted(len(bad), 'image')} (the first is image "
                f"{int(bad[0])}). Remove or repair what is not finite."
            )
        raise DataError(
            f"{name}: pixels range from {low:g} to {high:g}; expected [0, 1]. "
            "Give uint8 in 0..255, or divide by the largest value."
        )


def check_integers(values: torch.Tensor, count: int, what: str, name: str) -> None:
    """Raise DataError unless ``values`` is int64 [count] and nowhere negative."""
    if values.dtype != torch.int64:
        raise DataError(f"{name}: {what} are {values.dtype}; expected integers.")
    if values.ndim != 1 or len(values) != count:
        raise DataError(
            f"{name}: {what} have shape {list(values.shape)}; expected [{count}], one for each image."
        )
    if count and int(values.min()) < 0:
        at = int((values < 0).nonzero()[0, 0])
        raise DataError(f"{name}: {what} must not be negative; number {at} is {int(values[at])}.")


def check_labels(labels: torch.Tensor, count: int, class_names: Sequence[str], name: str) -> None:
    """Raise DataError unless ``labels`` is int64 [count] of two or more classes, two or more images each."""
    check_integers(labels, count, "labels", name)
    if len(class_names) < 2:
        raise DataError(f"{name}: there is only one class; a task needs at least two.")
    if int(labels.max()) >= len(class_names):
        raise DataError(
            f"{name}: label {int(labels.max())} is outside 0..{len(class_names) - 1} "
            f"({len(class_names)} class names are given)."
        )
    sizes = torch.bincount(labels, minlength=len(class_names))
    if int(sizes.min()) < MIN_PER_CLASS:
        worst = int(sizes.argmin())
        raise DataError(
            f"{name}: class {worst} ({class_names[worst]!r}) has {counted(int(sizes[worst]), 'image')}; "
            f"each class needs at least {MIN_PER_CLASS}. Add images or leave the class out "
            "(labels run from 0 without gaps)."
        )


def check_attributes(
    attributes: torch.Tensor | None, count: int, attribute_names: Sequence[str], name: str
) -> None:
    """Raise DataError unless ``attributes`` is int64 [count, A], 0 or 1, with A names, or both are absent."""
    if attributes is None:
        if attribute_names:
            raise DataError(f"{name}: attribute names are given, but no attributes.")
        return
    if attributes.dtype != torch.int64:
        raise DataError(f"{name}: attributes are {attributes.dtype}; expected integers 0 and 1.")
    if attributes.ndim != 2 or tuple(attributes.shape) != (count, len(attribute_names)):
        raise DataError(
            f"{name}: attributes have shape {list(attributes.shape)}; "
            f"expected [{count}, {len(attribute_names)}], a row for each image and a column for each name."
        )
    if attributes.numel() and (int(attributes.min()) < 0 or int(attributes.max()) > 1):
        raise DataError(
            f"{name}: attributes range from {int(attributes.min())} to {int(attributes.max())}; "
            "expected 0 and 1."
        )


def check_dataset(dataset: Dataset, name: str) -> None:
    """Raise DataError unless the whole ``dataset`` can be used; ``name`` starts the message."""
    data, count = dataset.data, len(dataset.data)
    check_images(data.images, name)
    check_labels(data.labels, count, dataset.class_names, name)
    check_attributes(data.attributes, count, dataset.attribute_names, name)
    if data.identities is not None:
        check_integers(data.identities, count, "identities", name)
    elif dataset.identity_disjoint:
        raise DataError(f"{name}: splits by identity need identities, and there are none.")


def fingerprint(data: LabelledImages) -> str:
    """SHA-256 over every array of ``data``: names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for field in ("images", "labels", "identities", "attributes"):
        tensor = getattr(data, field)
        if tensor is None:
            digest.update(f"{field}|none|".encode())
            continue
        digest.update(f"{field}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def checked_dataset(
    name: str,
    data: LabelledImages,
    class_names: Sequence[str],
    attribute_names: Sequence[str] = (),
    identity_disjoint: bool = False,
) -> Dataset:
    """Check ``data``, fingerprint it and return it as a dataset.

    Raises:
        DataError: something in it cannot be used; the message starts with ``name``.
    """
    dataset = Dataset(data, tuple(class_names), tuple(attribute_names), identity_disjoint, "")
    check_dataset(dataset, name)
    return Dataset(data, dataset.class_names, dataset.attribute_names, identity_disjoint, fingerprint(data))
