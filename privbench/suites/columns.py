"""The columns of a suite's tables, declared once for console, markdown and CSV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from privbench.core.seeds import seed_list
from privbench.report.columns.column import Column
from privbench.report.columns.forms import Selector, Words
from privbench.report.columns.number_forms import Measured, Number
from privbench.store.results import Result
from privbench.suites.comparison import Comparison
from privbench.suites.planning import PlannedRun

ComparisonColumn: TypeAlias = Column[Comparison, Any]


def comparison_columns() -> list[ComparisonColumn]:
    """Where, ours, theirs, the difference, the source."""
    return [
        Column(Selector(), _board("dataset"), "dataset", "Dataset", ("dataset",)),
        Column(Selector(), _board("model"), "model", "Model", ("model",)),
        Column(Words(), _board("options"), "", "Options", ("options",)),
        Column(Selector(), lambda row: row.published.defense, "defense", "Defense", ("defense",)),
        Column(Words(), lambda row: row.published.attack or "", "attack", "Attack", ("attack",)),
        Column(Words(), lambda row: row.place.game if row.place else "", "", "", ("game",)),
        Column(Words(), _metric, "metric", "Metric"),
        Column(Words(), lambda row: row.published.metric, csv=("metric",)),
        Column(Words(), lambda row: row.published.unit, csv=("unit",)),
        Column(Measured(), lambda row: row.ours, "ours", "Ours [95%]", ("ours", "ours_low", "ours_high")),
        Column(
            Number(),
            lambda row: row.published.value,
            "published",
            "Published",
            ("published",),
            lambda row: (row.published.note,),
        ),
        Column(Number(), lambda row: row.difference, "difference", "Difference", ("difference",)),
        Column(Words(), lambda row: row.published.source, "", "Source", ("source",)),
        Column(Words(), lambda row: "" if row.status == "ok" else row.status, "status", "Status"),
        Column(Words(), lambda row: row.status, csv=("status",)),
        Column(Words(), lambda row: row.published.note, csv=("note",)),
    ]


def _board(part: str) -> Callable[[Comparison], str]:
    return lambda row: (
        str(getattr(row.place.board, part)) if row.place else getattr(row.published, part, "") or ""
    )


def _metric(row: Comparison) -> str:
    unit = row.published.unit
    return f"{row.published.metric} ({unit})" if unit else row.published.metric


@dataclass(frozen=True)
class RunRow:
    """A run with one dataset and one model, and what came of it."""

    planned: PlannedRun
    results: tuple[Result, ...]

    def count(self, status: str) -> str:
        """How many of its cells ended so."""
        return str(sum(result.record.status == status for result in self.results))


def run_columns() -> list[Column[RunRow, Any]]:
    """What was run, with which options, and how many cells it had."""
    return [
        Column(Words(), lambda row: row.planned.run.name, markdown="Run"),
        Column(Selector(), lambda row: row.planned.board.dataset, markdown="Dataset"),
        Column(Selector(), lambda row: row.planned.board.model, markdown="Model"),
        Column(Words(), lambda row: row.planned.board.task, markdown="Task"),
        Column(Words(), lambda row: row.planned.board.scale, markdown="Scale"),
        Column(Words(), lambda row: row.planned.board.options, markdown="Options"),
        Column(Words(), lambda row: seed_list(row.planned.plan.seeds), markdown="Seeds"),
        Column(Words(), lambda row: " ".join(row.planned.run.defenses), markdown="Defenses"),
        Column(Words(), lambda row: " ".join(row.planned.run.attacks), markdown="Attacks"),
        Column(Words(), lambda row: row.count("ok"), markdown="Cells"),
        Column(Words(), lambda row: row.count("not-applicable"), markdown="Do not apply"),
        Column(Words(), lambda row: row.count("failed"), markdown="Failed"),
    ]
