"""Checks that every dataset passes before anything is trained on it, and its fingerprint."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import torch

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError, counted
from privbench.core.images import LabelledImages, to_float

MIN_SIDE = 8
MIN_PER_CLASS = 2
CHUNK = 1024
"""Images that are worked on at once, so that no second copy of large data is made."""
_ONE_STEP = 1.001 / 255


def check_images(images: torch.Tensor, name: str) -> None:
    """Raise DataError unless ``images`` is [N, C, H, W], C is 1 or 3, sides ≥ 8.

    They are float32 in [0, 1] or uint8 in 0..255, of which some pixel is brighter than one step of 255.
    """
    if images.dtype not in {torch.float32, torch.uint8}:
        raise DataError(
            f"{name}: images are {images.dtype}; expected torch.float32 in [0, 1] or torch.uint8 in 0..255."
        )
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
    low, high = (float(value) / (255 if images.dtype == torch.uint8 else 1) for value in images.aminmax())
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
    if 0 < high <= _ONE_STEP:
        raise DataError(
            f"{name}: the brightest pixel is 1 of 255, so that all images are black. Masks of 0 and 1 are "
            "multiplied by 255 (or given as floats); what was divided by 255 already is not divided again."
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
    """Raise DataError unless ``labels`` is int64 [count] of two or more classes, two or more images each.

    Without ``class_names`` there are no classes, and all labels are 0.
    """
    check_integers(labels, count, "labels", name)
    if not class_names:
        if int(labels.max()):
            raise DataError(f"{name}: there are labels up to {int(labels.max())}, but no class names.")
        return
    _check_names(class_names, "classes", name)
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
    _check_names(attribute_names, "attributes", name)


def _check_names(names: Sequence[str], what: str, name: str) -> None:
    """Names are how classes and attributes are told apart: each has one of its own."""
    if twice := [each for each, count in Counter(names).items() if count > 1]:
        raise DataError(f"{name}: {Counter(names)[twice[0]]} {what} are called {twice[0]!r}. Rename them.")
    if any(not each.strip() for each in names):
        raise DataError(f"{name}: one of the {what} has no name. Name it.")


def same_partition(first: torch.Tensor, second: torch.Tensor) -> bool:
    """Whether two int64 [N] put the same items together, under whatever numbers."""
    groups = [torch.unique(values, return_inverse=True) for values in (first, second)]
    counts = [len(values) for values, _ in groups]
    if counts[0] != counts[1]:
        return False
    pairs = groups[0][1] * counts[1] + groups[1][1]
    return len(pairs.unique()) == counts[0]


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
    """SHA-256 over every array of ``data``: names, types, shapes and bytes; of images, as float32."""
    digest = hashlib.sha256()
    digest.update(f"images|{torch.float32}|{tuple(data.images.shape)}|".encode())
    for chunk in torch.split(data.images, CHUNK):
        digest.update(to_float(chunk.detach().cpu()).contiguous().numpy().data)
    for field in ("labels", "identities", "attributes"):
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
    *,
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> Dataset:
    """Check ``data``, fingerprint it and return it as a dataset; arguments as of ``Dataset``.

    Raises:
        DataError: something in it cannot be used; the message starts with ``name``.
    """
    dataset = Dataset(data, tuple(class_names), tuple(attribute_names), identity_disjoint, "")
    check_dataset(dataset, name)
    return replace(dataset, fingerprint=fingerprint(data), notes=tuple(notes), warnings=tuple(warnings))
