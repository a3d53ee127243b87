"""Results on disk: a record and, beside it, the per-sample columns behind its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from privbench.core.errors import CorruptArtefact
from privbench.core.file_names import words
from privbench.core.hashing import text_hash
from privbench.core.records import (
    LARGEST_RECORD,
    Cell,
    Record,
    dump_record,
    load_record,
    renamed_metric,
)
from privbench.store.artefacts import (
    Artefact,
    artefact_hash,
    read_artefact,
    write_tensors,
    write_text,
)
from privbench.store.files import read_bounded, record_paths

_TYPES = (torch.uint8, torch.int64, torch.float32, torch.float64)
_CLUSTERS, _INDEX, _COLUMNS = "clusters", "index", "columns"


@dataclass(frozen=True)
class Result:
    """A record with its columns.

    Attributes:
        record: the record.
        columns: for each metric, its per-sample columns [N].
        clusters: int64 [N] or None, the identity behind each sample.
        index: int64 [N] or None, which samples of the seed's whole challenge these are, where the
            adversary knew the others.
        path: the record's file, where it was read from one.
    """

    record: Record
    columns: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    clusters: torch.Tensor | None = None
    index: torch.Tensor | None = None
    path: Path | None = field(default=None, compare=False)

    @property
    def place(self) -> str:
        """The record's file, or its key, for messages."""
        return self.record.key if self.path is None else str(self.path)


def result_path(out: Path, cell: Cell) -> Path:
    """Where the record of ``cell`` is kept below ``out``: one file for a cell, readable by its name."""
    parts = [cell.defense, cell.attack, cell.game, cell.scale, f"seed-{cell.seed}"]
    # Different selectors may read the same once simplified, so that a hash tells them apart.
    name = f"{'--'.join(map(words, parts))[:150]}--{text_hash(cell.model_dump_json(), 8)}.json"
    return out / "records" / words(cell.dataset)[-60:] / name


def save_result(out: Path, result: Result) -> Path:
    """Write the columns, then the record, each whole or not at all; return the record's path.

    A finished record is not overwritten by a failed one: see ``finished_before``.
    """
    result = sealed(result)
    path = result_path(out, result.record.cell)
    if result.record.status == "failed" and finished_before(out, result.record.cell):
        return path
    if stored := _stored(result):
        write_tensors(path.with_suffix(".safetensors"), *stored)
    write_text(path, dump_record(result.record))
    return path


def sealed(result: Result) -> Result:
    """``result`` with the checksum of its columns in its record, so that no others are taken for them."""
    if (stored := _stored(result)) is None:
        return result
    provenance = result.record.provenance
    hashes = {**provenance.hashes, _COLUMNS: artefact_hash(*stored)}
    update = {"provenance": provenance.model_copy(update={"hashes": hashes})}
    return replace(result, record=result.record.model_copy(update=update))


def finished_before(out: Path, cell: Cell) -> bool:
    """Whether a finished record of ``cell`` is kept below ``out``."""
    try:
        return load_result(result_path(out, cell)).record.status == "ok"
    except CorruptArtefact:
        return False


def _stored(result: Result) -> tuple[dict[str, torch.Tensor], dict[str, object]] | None:
    """The columns as they are stored, and the note that says which is which; None where there are none."""
    named = {f"{m}/{name}": t for m, cols in result.columns.items() for name, t in cols.items()}
    beside = {_CLUSTERS: result.clusters, _INDEX: result.index}
    named |= {name: values for name, values in beside.items() if values is not None}
    if not named:
        return None
    # Metrics of one game share columns; each distinct column is stored once.
    stored: dict[str, torch.Tensor] = {}
    place: dict[str, str] = {}
    for name, tensor in sorted(named.items()):
        same = (key for key, other in stored.items() if torch.equal(_compact(tensor), other))
        place[name] = next(same, str(len(stored)))
        stored.setdefault(place[name], _compact(tensor).contiguous())
    return stored, {"key": result.record.key, "columns": place}


def _compact(column: torch.Tensor) -> torch.Tensor:
    """The column in the smallest of four types that hold it without loss."""
    for kind in _TYPES[:3]:
        if torch.equal(column.to(kind).double(), column.double()):
            return column.to(kind)
    return column.double()


def load_result(path: Path) -> Result:
    """Read one record and its columns.

    Raises:
        CorruptArtefact: either file is damaged or the columns of a finished record are missing.
    """
    try:
        record = load_record(read_bounded(path, LARGEST_RECORD).decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise CorruptArtefact(f"{path} is not a readable record: it is not UTF-8") from error
    if record.status != "ok":
        return Result(record, path=path)
    beside = path.with_suffix(".safetensors")
    found = read_artefact(beside)
    expected = record.provenance.hashes.get(_COLUMNS, found.sha256)
    if found.note.get("key") != record.key or found.sha256 != expected:
        raise CorruptArtefact(f"{beside} belongs to another record than {path.name}")
    try:
        return _with_columns(record, found, path)
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        raise CorruptArtefact(f"{beside} does not hold columns: {type(error).__name__}") from error


def _with_columns(record: Record, found: Artefact, path: Path) -> Result:
    place: Any = found.note["columns"]
    columns: dict[str, dict[str, torch.Tensor]] = {}
    # One tensor for each stored column: metrics that share it are computed together.
    doubles = {key: tensor.double() for key, tensor in found.tensors.items()}
    for name, key in place.items():
        values = found.tensors[key]
        if values.ndim != 1 or not len(values) or values.dtype not in _TYPES:
            raise ValueError(name)
        if name not in {_CLUSTERS, _INDEX}:
            metric, _, column = name.partition("/")
            metric = metric if metric in record.figures else renamed_metric(metric)
            columns.setdefault(metric, {})[column] = doubles[key]
    if any(len({len(values) for values in cols.values()}) > 1 for cols in columns.values()):
        raise ValueError
    clusters, index = (found.tensors[place[n]].long() if n in place else None for n in (_CLUSTERS, _INDEX))
    if index is not None and int(index.min()) < 0:
        raise ValueError(_INDEX)
    return Result(record, columns, clusters, index, path)


def load_results(folder: Path, damaged: Callable[[CorruptArtefact], None] | None = None) -> list[Result]:
    """All results below ``folder``, in the order of their cells.

    A record under a name that an earlier version gave it counts until the cell is run again beside it; of
    a cell that failed in a later run, its finished record counts.

    Args:
        folder: see ``record_paths``.
        damaged: called with what is wrong with each damaged result, which is left out; None raises.

    Raises:
        CorruptArtefact: one of them is damaged.
    """
    found: dict[Path, Result] = {}
    for path in record_paths(folder.resolve()):
        try:
            found[path] = load_result(path)
        except CorruptArtefact as error:
            if damaged is None:
                raise
            damaged(error)
    current: dict[tuple[Path, str], Path] = {}
    for path, result in found.items():
        cell = result.record.cell
        name = (path.parents[2], cell.model_dump_json())
        current[name] = max(path, current.get(name, path), key=lambda p: _standing(p, found[p]))
    return [found[path] for _, path in sorted(current.items(), key=lambda item: item[0][1])]


def _standing(path: Path, result: Result) -> tuple[bool, bool, Path]:
    """Which of several records of one cell counts: one that has not failed, under today's name."""
    record = result.record
    return record.status != "failed", path == result_path(path.parents[2], record.cell), path
