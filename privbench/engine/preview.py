"""What a run would do, before it does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Literal

from privbench.core.errors import CorruptArtefact
from privbench.core.records import Cell
from privbench.engine.cell_record import cell_of
from privbench.engine.keys import look_again
from privbench.engine.plan import Plan
from privbench.engine.run import finished
from privbench.engine.setting import Setting
from privbench.store.results import load_results

State = Literal["finished", "to run", "not applicable"]


@dataclass(frozen=True)
class Preview:
    """One cell of a plan.

    Attributes:
        seconds: that its attack took elsewhere in this folder, at the same scale: against the same
            defense, or else the median over others; None where it was never run.
    """

    cell: Cell
    state: State
    seconds: float | None


def preview(plan: Plan, device: str, out: Path) -> Iterator[Preview]:
    """Every cell of ``plan``: whether it is there already, and how long it may take.

    Raises:
        UserError: the dataset cannot be read.
    """
    look_again()
    spent = _spent(out)
    for seed in plan.seeds:
        setting = Setting(plan.source, plan.model, plan.task, seed, plan.scale, device, plan.options)
        for planned in plan.cells:
            cell = cell_of(setting, planned)
            state: State = "not applicable" if planned.reason else "to run"
            if not planned.reason and finished(setting, planned, out, (), _left) is not None:
                state = "finished"
            yield Preview(cell, state, _seconds(cell, spent) if state == "to run" else None)


def _left(path: Path, error: CorruptArtefact) -> None:
    """Leave a damaged record where it is: nothing is changed here."""


def _spent(out: Path) -> list[tuple[Cell, float]]:
    try:
        records = [result.record for result in load_results(out)]
    except CorruptArtefact:
        return []
    return [(record.cell, record.cost.attack_seconds) for record in records if record.status == "ok"]


def _seconds(cell: Cell, spent: list[tuple[Cell, float]]) -> float | None:
    alike = [(c, s) for c, s in spent if (c.attack, c.game, c.scale) == (cell.attack, cell.game, cell.scale)]
    same = [s for c, s in alike if c.defense == cell.defense]
    found = same or [s for _, s in alike]
    return median(found) if found else None
