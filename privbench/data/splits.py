"""Who holds which images: candidates, auxiliary and test data, and who of the candidates is a member."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError, counted
from privbench.core.images import LabelledImages
from privbench.core.scale import Scale, by_scale
from privbench.core.seeds import derive_seed

PARTS = ("candidates", "auxiliary", "test")
BOUNDS = (0.44, 0.80)
"""Where the second and the third part begin: 44% candidates, 36% auxiliary, 20% test."""
MIN_PART = 20
MIN_IMAGES = 100
"""The fewest images of which 20% are ``MIN_PART``."""
TRIES = 100
LEAST_USED = 0.5
"""Of the images that a scale uses, the share that must be left where people go whole."""
AUXILIARY_SHARES = (0.15, 0.60)
"""Between which the auxiliary part must stay of its 36%, where people go whole."""
_CROWDED = "one person has"


@dataclass(frozen=True)
class Split:
    """Three disjoint parts of a dataset, in random order.

    Attributes:
        candidates: int64 [N], indices of the private images; the members are drawn from them.
        auxiliary: int64 [N], indices of what the adversary may know.
        test: int64 [N], indices of the images on which utility is measured.
        digest: SHA-256 over the three parts.
        seed: of the generator that made them.
        notes: what of the dataset is in no part, a sentence each.
    """

    candidates: torch.Tensor
    auxiliary: torch.Tensor
    test: torch.Tensor
    digest: str
    seed: int
    notes: tuple[str, ...] = ()


def make_split(dataset: Dataset, seed: int, scale: Scale, most: int | None = None) -> Split:
    """Split a dataset: 44% candidates, 36% auxiliary, 20% test.

    At most 1,000 images are used at scale ``smoke``, 5,000 at ``small`` and all at ``paper``. Of
    images that are equal pixel for pixel only the first is used, so that none is in two parts or
    twice in one. Splits go by image and are stratified by label, where labels are classes. Where
    ``identity_disjoint`` is set, nobody is in the auxiliary data and in another part: people go to the
    auxiliary or to the private side whole, stratified by the rarest label that each has, and the
    private side's images are then split into candidates and test, so that utility is that for the
    people whom the model serves. People who do not fit whole into the number of images are left out.

    Args:
        dataset: what to split.
        seed: the root seed; the split has its own stream.
        scale: how many images to use.
        most: how many images to use, in place of the scale's number.

    Raises:
        DataError: too few images, a class would be absent from a part, or a few people have so many of the
            images that the parts would be far from their shares.
    """
    keep = first_occurrences(dataset.data.images)
    if len(keep) < MIN_IMAGES:
        duplicates = len(dataset.data) - len(keep)
        raise DataError(
            f"the dataset has {len(keep)} different images ({duplicates} duplicates left out); a split needs "
            f"at least {MIN_IMAGES}, so that each part has {MIN_PART}. Add images."
        )
    strata, class_names = _strata(dataset)
    limit = min(len(keep), most) if most is not None else by_scale(scale, 1000, 5000, len(keep))
    data = LabelledImages(
        dataset.data.images[:0],
        strata[keep],
        dataset.data.identities[keep] if dataset.data.identities is not None else None,
    )
    fault = ""
    for attempt in range(TRIES):
        drawn = derive_seed(seed, "split", attempt)
        generator = torch.Generator().manual_seed(drawn)
        if dataset.identity_disjoint:
            parts = _by_identity(data, limit, generator)
        else:
            parts = _by_image(data.labels, limit, generator)
        found = _fault(parts, data, class_names)
        if not found and dataset.identity_disjoint:
            found = _crowded(parts, data, min(limit, len(keep)))
        if not found:
            mixed = [keep[part[torch.randperm(len(part), generator=generator)]] for part in parts]
            notes = _left_out(dataset, keep, mixed, f"scale {scale}" if most is None else f"--images {most}")
            return Split(mixed[0], mixed[1], mixed[2], _digest(mixed), drawn, notes)
        fault = fault or found
    if fault.startswith(_CROWDED):
        raise DataError(
            f"no split was found in {TRIES} tries: {fault}. People go to one side whole: use fewer images of "
            "them, add other people, or choose a larger --scale."
        )
    unit = "identities" if dataset.identity_disjoint else "images"
    least = 2 if dataset.identity_disjoint else 6
    raise DataError(
        f"no split was found in {TRIES} tries: {fault}. "
        f"Each class needs at least {least} {unit} among the {min(limit, len(keep))} images that scale "
        f"{scale!r} uses, and each part {MIN_PART} images. Add images, leave rare classes out, "
        "or choose a larger --scale."
    )


def membership(count: int, seed: int) -> tuple[torch.Tensor, int]:
    """Draw which of ``count`` candidates are members: independent, each with probability 1/2.

    Draws without a member or without a non-member are drawn again, since no game can be played on
    them (this matters below about 20 candidates only).

    Returns:
        bool [count], and the seed that it was drawn with.

    Raises:
        DataError: fewer than two candidates.
    """
    if count < 2:
        raise DataError(f"membership needs at least 2 candidates; there are {count}.")
    drawn = derive_seed(seed, "membership")
    generator = torch.Generator().manual_seed(drawn)
    while True:
        members = torch.randint(0, 2, (count,), generator=generator, dtype=torch.int8).bool()
        if members.any() and not members.all():
            return members, drawn


def first_occurrences(images: torch.Tensor) -> torch.Tensor:
    """Indices, in order, of the images that equal no earlier one; int64 [M]."""
    # SHA-256 over each image's bytes is ten times faster than sorting images or mixing them in torch.
    hashes: list[bytes] = []
    for chunk in torch.split(images.detach(), 4096):
        # Adding zero turns -0.0 into 0.0, which has other bytes but is the same pixel.
        rows = (chunk.cpu() + 0).flatten(1).numpy()
        hashes.extend(hashlib.sha256(row).digest() for row in rows)
    seen: dict[bytes, int] = {}
    for index, value in enumerate(hashes):
        seen.setdefault(value, index)
    return torch.tensor(list(seen.values()), dtype=torch.int64)


def _strata(dataset: Dataset) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Each image's stratum, int64 [N], and the strata's names: the classes, or one where labels are none."""
    labels = dataset.data.labels
    if labels.ndim == 1 and not labels.is_floating_point():
        return labels, dataset.class_names
    return torch.zeros(len(labels), dtype=torch.int64), ("all",)


def _interleaved(groups: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A random order of all items whose every stretch holds each group in proportion, within ±2."""
    order = torch.randperm(len(groups), generator=generator)
    ranked, by_group = groups[order].sort(stable=True)
    sizes = torch.bincount(groups)
    position = torch.arange(len(groups)) - (sizes.cumsum(0) - sizes)[ranked]
    offset = torch.rand(len(sizes), generator=generator, dtype=torch.float64)
    place = (position + offset[ranked]) / sizes[ranked]
    return order[by_group[place.argsort(stable=True)]]


def _by_image(labels: torch.Tensor, limit: int, generator: torch.Generator) -> list[torch.Tensor]:
    order = _interleaved(labels, generator)[:limit]
    first, second = (round(bound * len(order)) for bound in BOUNDS)
    return [order[:first], order[first:second], order[second:]]


def _counted(identities: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """How many images each identity has, and which of them each image shows, numbered from 0."""
    order = identities.argsort(stable=True)
    ranked = identities[order]
    number = torch.cat([torch.zeros(1, dtype=torch.int64), (ranked[1:] != ranked[:-1]).long()]).cumsum(0)
    who = torch.empty_like(number)
    who[order] = number
    return torch.bincount(who), who


def _by_identity(data: LabelledImages, limit: int, generator: torch.Generator) -> list[torch.Tensor]:
    if data.identities is None:
        raise DataError("a split by identity needs identities, and the dataset has none.")
    sizes, who = _counted(data.identities)
    rarity = torch.bincount(data.labels).argsort(stable=True).argsort()
    rarest = torch.full_like(sizes, len(rarity)).scatter_reduce(0, who, rarity[data.labels], "amin")
    order = _fitting(_interleaved(rarest, generator), sizes, limit)
    ends = sizes[order].cumsum(0)
    total = int(ends[-1]) if len(ends) else 0
    # An identity belongs where the middle of its images falls.
    middle = (ends - sizes[order] / 2) / max(total, 1)
    side_of = torch.full_like(sizes, -1)
    side_of[order] = (middle < BOUNDS[1] - BOUNDS[0]).long()
    auxiliary = (side_of[who] == 1).nonzero()[:, 0]
    private = (side_of[who] == 0).nonzero()[:, 0]
    private = private[_interleaved(data.labels[private], generator)]
    first = round(len(private) * BOUNDS[0] / (1 - BOUNDS[1] + BOUNDS[0]))
    return [private[:first], auxiliary, private[first:]]


def _fitting(order: torch.Tensor, sizes: torch.Tensor, limit: int) -> torch.Tensor:
    """Of identities in ``order`` those that fit, whole, into ``limit`` images: others are passed over."""
    total, kept = 0, []
    for identity, size in zip(order.tolist(), sizes[order].tolist(), strict=True):
        if total + size <= limit:
            total += size
            kept.append(identity)
    return torch.tensor(kept, dtype=torch.int64)


def _crowded(parts: list[torch.Tensor], data: LabelledImages, limit: int) -> str:
    """What is wrong where a few people have most images, or nothing."""
    assert data.identities is not None
    total = sum(map(len, parts))
    people, sizes = torch.unique(data.identities, return_counts=True)
    most = int(sizes.argmax())
    told = f"{_CROWDED} {int(sizes[most]):,} of {int(sizes.sum()):,} images (identity {int(people[most])})"
    if total < LEAST_USED * limit:
        return f"{told}, and {total:,} of the {limit:,} that are to be used would be left"
    share = len(parts[1]) / total
    if not AUXILIARY_SHARES[0] <= share <= AUXILIARY_SHARES[1]:
        return f"{told}, and the auxiliary part would be {share:.0%} of the data in place of 36%"
    return ""


def _left_out(dataset: Dataset, keep: torch.Tensor, parts: list[torch.Tensor], why: str) -> tuple[str, ...]:
    """What is in no part, and why."""
    notes = []
    if duplicates := len(dataset.data) - len(keep):
        notes.append(f"{counted(duplicates, 'image')} left out: equal to an earlier one pixel for pixel")
    used = sum(map(len, parts))
    if used < len(keep):
        notes.append(f"{used:,} of {len(keep):,} images used, by {why}")
    if dataset.identity_disjoint and dataset.data.identities is not None:
        people = dataset.data.identities
        there, chosen = (len(torch.unique(people[part])) for part in (keep, torch.cat(parts)))
        if chosen < there:
            notes.append(f"{chosen:,} of {there:,} people used: each goes whole, or not at all")
    return tuple(notes)


def _fault(parts: list[torch.Tensor], data: LabelledImages, class_names: tuple[str, ...]) -> str:
    """What is wrong with the parts, or nothing."""
    for name, part in zip(PARTS, parts, strict=True):
        if len(part) < MIN_PART:
            return f"the {name} part would have {counted(len(part), 'image')}"
        sizes = torch.bincount(data.labels[part], minlength=len(class_names))
        if name != "test" and int(sizes.min()) == 0:
            return f"class {class_names[int(sizes.argmin())]!r} would be absent from the {name} part"
    return ""


def _digest(parts: list[torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name, part in zip(PARTS, parts, strict=True):
        digest.update(f"{name}|{len(part)}|".encode())
        digest.update(part.numpy().astype("<i8").tobytes())
    return digest.hexdigest()
