"""Which results are compared with each other, and what they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Self

from privbench.core.errors import DataError
from privbench.core.file_names import slug
from privbench.core.records import Record
from privbench.core.scale import Scale

if TYPE_CHECKING:
    from privbench.store.results import Result


class BoardKey(NamedTuple):
    """What results must share to be compared."""

    dataset: str
    model: str
    scale: Scale
    protocol: int
    task: str = "classes"
    options: str = ""

    @classmethod
    def of(cls, record: Record) -> Self:
        """The board on which ``record`` stands."""
        cell = record.cell
        return cls(cell.dataset, cell.model, cell.scale, record.protocol_version, cell.task, cell.options)

    @property
    def unusual(self) -> str:
        """Task and options where they are not the defaults, to read; else empty."""
        task = f"task {self.task}" if self.task != "classes" else ""
        return ", ".join(filter(None, (task, self.options.replace(",", ", "))))

    def file_name(self, separator: str = "-") -> str:
        """A name for the board's files that tells it from all other boards."""
        parts = [slug(self.dataset), slug(self.model), self.scale, f"p{self.protocol}"]
        extra = [slug(part) for part in (self.task, self.options) if part not in {"classes", ""}]
        return separator.join([*parts, *extra])


def by_board(results: Iterable[Result]) -> dict[BoardKey, list[Result]]:
    """Results by board, boards and results in the order of their names.

    Raises:
        DataError: two different results claim the same cell.
    """
    seen: dict[str, Result] = {}
    groups: dict[BoardKey, list[Result]] = defaultdict(list)
    for result in sorted(results, key=lambda r: (r.record.cell.model_dump_json(), r.record.key)):
        record = result.record
        name = f"{record.protocol_version}{record.cell.model_dump_json()}"
        other = seen.get(name)
        if other is not None:
            if other.record.key == record.key:
                continue
            cell = record.cell
            raise DataError(
                f"two results for one cell: {cell.attack} on {cell.defense}, {cell.game}, seed {cell.seed}, "
                f"{cell.dataset} ({other.record.key} and {record.key}). They were made with different code "
                "or settings. Remove the file of the outdated one and try again."
            )
        seen[name] = result
        groups[BoardKey.of(record)].append(result)
    return dict(sorted(groups.items()))
