"""Which results are compared with each other, and what they are called."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Self

from privbench.core.file_names import slug
from privbench.core.records import Record
from privbench.core.scale import Scale
from privbench.rating.agreement import agreed

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
        DataError: different results claim the same cell.
    """
    cells: dict[tuple[int, str], list[Result]] = defaultdict(list)
    for result in results:
        cells[result.record.protocol_version, result.record.cell.model_dump_json()].append(result)
    groups: dict[BoardKey, list[Result]] = defaultdict(list)
    for _, found in sorted(cells.items(), key=lambda item: (item[0][1], item[0][0])):
        result = agreed(found)
        groups[BoardKey.of(result.record)].append(result)
    return dict(sorted(groups.items()))
