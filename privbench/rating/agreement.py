"""Whether several results of one cell say the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from privbench.core.errors import DataError
from privbench.core.records import Record, content_hash, dump_record

if TYPE_CHECKING:
    from privbench.store.results import Result


def agreed(results: Sequence[Result]) -> Result:
    """One of several results of a cell, the same in whatever order they come.

    They may differ in time, machine and versions, not in what must repeat under one key.

    Raises:
        DataError: they have other keys, or say different things under one key; their files are named.
    """
    if len(results) == 1:
        return results[0]
    first, *others = sorted(results, key=lambda result: (result.record.key, dump_record(result.record)))
    for other in others:
        if other.record.key != first.record.key:
            raise _conflict(first, other, "different code or settings")
        if content_hash(_bare(first.record)) != content_hash(_bare(other.record)) or not _same(first, other):
            machines = sorted({_machine(first.record), _machine(other.record)})
            how = f"the same code and settings, and say different things (on {' and on '.join(machines)})"
            raise _conflict(first, other, how)
    return first


def _conflict(a: Result, b: Result, how: str) -> DataError:
    cell = a.record.cell
    places = " and ".join(sorted([a.place, b.place]))
    return DataError(
        f"two results for one cell: {cell.attack} on {cell.defense}, {cell.game}, seed {cell.seed}, "
        f"{cell.dataset} ({places}). They were made with {how}. Remove the file of the outdated one and try "
        "again."
    )


def _machine(record: Record) -> str:
    made = record.provenance
    return f"{made.device}, {made.instructions or 'instruction set not recorded'}"


def _bare(record: Record) -> Record:
    """The record without the checksum of its columns, which older ones do not have."""
    made = record.provenance
    hashes = {name: value for name, value in made.hashes.items() if name != "columns"}
    return record.model_copy(update={"provenance": made.model_copy(update={"hashes": hashes})})


def _same(a: Result, b: Result) -> bool:
    """Whether the columns behind both are the same."""
    mine, its = _tensors(a), _tensors(b)
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name]) for name in mine)


def _tensors(result: Result) -> dict[str, torch.Tensor]:
    named = {f"{m}/{name}": values for m, cols in result.columns.items() for name, values in cols.items()}
    beside = {"clusters": result.clusters, "index": result.index}
    return named | {name: values for name, values in beside.items() if values is not None}
