"""What a dataset would read, split and refuse, without running anything."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from privbench.core.dataset import Dataset, DatasetSource
from privbench.core.errors import UserError
from privbench.core.options import Options
from privbench.core.registry import create, names
from privbench.core.scale import Scale
from privbench.core.task import Task
from privbench.data.reading import read
from privbench.data.splits import Split, make_split, membership


def data_check(source: DatasetSource, seed: int, scale: Scale, options: Options) -> Iterator[tuple[str, str]]:
    """Pairs of a heading and a text, as far as the data can be used.

    Raises:
        UserError: they cannot be read or split; what was found before has been given.
    """
    dataset = read(source)
    for note in dataset.notes:
        yield "read", note
    for warning in dataset.warnings:
        yield "warning", warning
    yield from _contents(dataset)
    for name in names("task"):
        task = create("task", name)
        assert isinstance(task, Task)
        try:
            yield (
                f"--task {name}",
                f"teaches {task.outputs(dataset)} outputs" if task.teaches else "can be used",
            )
        except UserError as error:
            yield f"--task {name}", f"refused: {error}"
    split = make_split(dataset, seed, scale, options.images)
    for note in split.notes:
        yield "split", note
    yield from _parts(dataset, split, seed)


def _contents(dataset: Dataset) -> Iterator[tuple[str, str]]:
    data = dataset.data
    if dataset.class_names and data.labels.ndim == 1:
        sizes = torch.bincount(data.labels, minlength=len(dataset.class_names)).tolist()
        counted = [f"{name} {size:,}" for name, size in zip(dataset.class_names, sizes, strict=True)]
        yield "classes", _listed(counted)
    if data.identities is not None:
        sizes = torch.unique(data.identities, return_counts=True)[1]
        yield "people", f"{len(sizes):,}, with {int(sizes.min()):,} to {int(sizes.max()):,} images each"
        yield "split by", "person: nobody is on both sides" if dataset.identity_disjoint else "image"
    if data.attributes is not None:
        ones = data.attributes.sum(dim=0).tolist()
        told = [
            f"{name} {count:,} of {len(data):,}"
            for name, count in zip(dataset.attribute_names, ones, strict=True)
        ]
        yield "attributes", _listed(told)


def _parts(dataset: Dataset, split: Split, seed: int) -> Iterator[tuple[str, str]]:
    members = int(membership(len(split.candidates), seed)[0].sum())
    told = {"candidates": f", {members:,} of them members", "auxiliary": "", "test": ""}
    for name, more in told.items():
        part = getattr(split, name)
        people = dataset.data.identities
        who = f" of {len(torch.unique(people[part])):,} people" if people is not None else ""
        yield name, f"{len(part):,} images{who}{more}"


def _listed(texts: list[str], most: int = 12) -> str:
    more = f", and {len(texts) - most:,} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more
