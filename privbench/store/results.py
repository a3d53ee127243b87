"""Results on disk: a record and, beside it, the per-sample columns behind its figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from privbench.core.errors import CorruptArtefact
from privbench.core.file_names import words
from privbench.core.hashing import text_hash
from privbench.core.records import Cell, Record, dump_record, load_record, renamed_metric
from privbench.store.artefacts import TEMPORARY, read_tensors, write_tensors, write_text

_CLUSTERS, _INDEX = "clusters", "index"


@dataclass(frozen=True)
class Result:
    """A record with its columns.

    Attributes:
        record: the record.
        columns: for each metric, its per-sample columns [N].
        clusters: int64 [N] or None, the identity behind each sample.
        index: int64 [N] or None, which samples of the seed's whole challenge these are, where the
            adversary knew the others.
    """

    record: Record
    columns: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    clusters: torch.Tensor | None = None
    index: torch.Tensor | None = None


def result_path(out: Path, cell: Cell) -> Path:
    """Where the record of ``cell`` is kept below ``out``: one file for a cell, readable by its name."""
    parts = [cell.defense, cell.attack, cell.game, cell.scale, f"seed-{cell.seed}"]
    # Different selectors may read the same once simplified, so that a hash tells them apart.
    name = f"{'--'.join(map(words, parts))[:150]}--{text_hash(cell.model_dump_json(), 8)}.json"
    return out / "records" / words(cell.dataset)[-60:] / name


def save_result(out: Path, result: Result) -> Path:
    """Write the columns, then the record, each whole or not at all; return the record's path."""
    path = result_path(out, result.record.cell)
    named = {f"{m}/{name}": t for m, cols in result.columns.items() for name, t in cols.items()}
    beside = {_CLUSTERS: result.clusters, _INDEX: result.index}
    named |= {name: values for name, values in beside.items() if values is not None}
    if named:
        # Metrics of one game share columns; each distinct column is stored once.
        stored: dict[str, torch.Tensor] = {}
        place: dict[str, str] = {}
        for name, tensor in sorted(named.items()):
            same = (key for key, other in stored.items() if torch.equal(_compact(tensor), other))
            place[name] = next(same, str(len(stored)))
            stored.setdefault(place[name], _compact(tensor))
        note: dict[str, object] = {"key": result.record.key, "columns": place}
        write_tensors(path.with_suffix(".safetensors"), stored, note)
    write_text(path, dump_record(result.record))
    return path


def _compact(column: torch.Tensor) -> torch.Tensor:
    """The column in the smallest of four types that hold it without loss."""
    for kind in (torch.uint8, torch.int64, torch.float32):
        if torch.equal(column.to(kind).double(), column.double()):
            return column.to(kind)
    return column.double()


def load_result(path: Path) -> Result:
    """Read one record and its columns.

    Raises:
        CorruptArtefact: either file is damaged or the columns of a finished record are missing.
    """
    try:
        record = load_record(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise CorruptArtefact(f"{path} is not a readable record") from error
    if record.status != "ok":
        return Result(record)
    stored, note = read_tensors(path.with_suffix(".safetensors"))
    place = note.get("columns")
    if note.get("key") != record.key or not isinstance(place, dict):
        raise CorruptArtefact(f"{path.with_suffix('.safetensors')} belongs to another record")
    columns: dict[str, dict[str, torch.Tensor]] = {}
    values = {key: tensor.double() for key, tensor in stored.items()}
    for name, key in place.items():
        if name not in {_CLUSTERS, _INDEX}:
            metric, _, column = name.partition("/")
            metric = metric if metric in record.figures else renamed_metric(metric)
            columns.setdefault(metric, {})[column] = values[key]
    clusters, index = (stored[place[n]].long() if n in place else None for n in (_CLUSTERS, _INDEX))
    return Result(record, columns, clusters, index)


def load_results(folder: Path) -> list[Result]:
    """All results below ``folder``, in the order of their cells.

    A record under a name that an earlier version gave it counts until the cell is run again beside it.

    Raises:
        CorruptArtefact: one of them is damaged.
    """
    # A killed run may leave half-written files under temporary names behind.
    paths = (path for path in folder.rglob("records/*/*.json") if not path.name.startswith(TEMPORARY))
    found = {path: load_result(path) for path in sorted(paths)}
    current = [result for path, result in found.items() if not _superseded(path, result.record.cell)]
    return sorted(current, key=lambda r: r.record.cell.model_dump_json())


def _superseded(path: Path, cell: Cell) -> bool:
    newest = result_path(path.parents[2], cell)
    return newest != path and newest.exists()
