"""Published figures beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from privbench.core.records import Figure
from privbench.rating.board import Board, make_boards
from privbench.rating.cell_rows import CellRow
from privbench.rating.grouping import BoardKey
from privbench.report.results import Results
from privbench.suites.suite_file import FigureTable
from privbench.suites.targets import Target

Status = Literal["ok", "not run", "failed", "not applicable", "not measured"]


@dataclass(frozen=True)
class Comparison:
    """A published figure and ours.

    Attributes:
        published: what the file says of it.
        target: which of ours stands beside it.
        status: ``ok`` where there is one.
        reason: why there is none; with ``ok``, which seeds are missing.
        ours: the mean over seeds with its 95% interval, in the unit of the published figure.
        seeds: those behind ours.
    """

    published: FigureTable
    target: Target
    status: Status
    reason: str = ""
    ours: Figure | None = None
    seeds: tuple[int, ...] = ()

    @property
    def difference(self) -> float | None:
        """Ours less the published figure, where there are both."""
        if self.ours is None or self.ours.value is None or self.published.value is None:
            return None
        return self.ours.value - self.published.value


def compare(figures: Sequence[tuple[FigureTable, Target]], results: Results) -> list[Comparison]:
    """A comparison for each of ``figures``, in order.

    Raises:
        DataError: results contradict each other.
    """
    wanted = {target.board for _, target in figures}
    boards = {
        board.key: board for board in make_boards(r for r in results if BoardKey.of(r.record) in wanted)
    }
    return [_compared(figure, target, boards.get(target.board)) for figure, target in figures]


def _compared(figure: FigureTable, target: Target, board: Board | None) -> Comparison:
    cells = [cell for cell in board.cells if _about(cell, target)] if board else []
    done = [cell for cell in cells if cell.status == "ok"]
    if board is None or not cells:
        return Comparison(figure, target, "not run")
    if not done:
        failed = [cell for cell in cells if cell.status == "failed"]
        reason = "; ".join(dict.fromkeys(cell.reason for cell in failed or cells))
        return Comparison(figure, target, "failed" if failed else "not applicable", reason)
    if target.part == "figures":
        found, reason = done[0].figures.get(target.metric), done[0].reason
    else:
        row = next(row for row in board.defenses if row.defense == target.pairing.defense)
        found, reason = getattr(row, target.part).get(target.metric), ""
    if found is None or found.value is None:
        return Comparison(figure, target, "not measured", found.note if found else "")
    seeds = tuple(sorted({seed for cell in done for seed in cell.seeds}))
    return Comparison(figure, target, "ok", reason, in_unit(found, figure.unit), seeds)


def _about(cell: CellRow, target: Target) -> bool:
    """Whether ``target`` is of ``cell``; what is the defense's own is of each of its cells."""
    if target.part == "figures":
        return cell.pairing == target.pairing
    return cell.pairing.defense == target.pairing.defense


def in_unit(figure: Figure, unit: str) -> Figure:
    """``figure`` in ``unit``: a share in percent, anything else as it is."""
    if unit != "%":
        return figure
    parts = {name: getattr(figure, name) for name in ("value", "low", "high")}
    return figure.model_copy(update={n: None if v is None else 100 * v for n, v in parts.items()})
