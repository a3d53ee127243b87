"""Results on disk: a record and, beside it, the per-sample columns behind its figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from privbench.core.errors import CorruptArtefact
from privbench.core.records import Record, dump_record, load_record
from privbench.runner.artefacts import read_tensors, write_tensors, write_text

_CLUSTERS = "clusters"


@dataclass(frozen=True)
class Result:
    """A record with its columns.

    Attributes:
        record: the record.
        columns: for each metric, its per-sample columns [N].
        clusters: int64 [N] or None, the identity behind each sample.
    """

    record: Record
    columns: dict[str, dict[str, torch.Tensor]] = field(default_factory=dict)
    clusters: torch.Tensor | None = None


def save_result(folder: Path, result: Result) -> Path:
    """Write the columns, then the record, each whole or not at all; return the record's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{result.record.key}.json"
    tensors = {f"{m}/{name}": t for m, cols in result.columns.items() for name, t in cols.items()}
    if result.clusters is not None:
        tensors[_CLUSTERS] = result.clusters
    if tensors:
        write_tensors(path.with_suffix(".safetensors"), tensors, {"key": result.record.key})
    write_text(path, dump_record(result.record))
    return path


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
    tensors, _ = read_tensors(path.with_suffix(".safetensors"))
    columns: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        if name != _CLUSTERS:
            metric, _, column = name.partition("/")
            columns.setdefault(metric, {})[column] = tensor
    return Result(record, columns, tensors.get(_CLUSTERS))


def load_results(folder: Path) -> list[Result]:
    """All results below ``folder``, in the order of their cells.

    Raises:
        CorruptArtefact: one of them is damaged.
    """
    found = [load_result(path) for path in sorted(folder.rglob("records/*.json"))]
    return sorted(found, key=lambda r: r.record.cell.model_dump_json())
