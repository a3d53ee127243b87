"""The columns of the table of published figures."""

from __future__ import annotations

from typing import Any, TypeAlias

from privbench.report.columns.column import Column
from privbench.report.columns.forms import Form, Seeds, Selector, Words
from privbench.report.columns.number_forms import Measured, Number
from privbench.report.text import DASH, code, number, spread
from privbench.suites.comparing import Comparison

ComparisonColumn: TypeAlias = Column[Comparison, Any]


class _Named(Selector):
    """A selector, or a dash where there is none."""

    def markdown(self, value: str) -> str:
        return code(value) if value else DASH


class _Ours(Form[Comparison]):
    """Our figure with its interval, or why there is none; fills ours, low, high, status, reason."""

    def text(self, value: Comparison) -> str:
        told = f"{value.status}: {value.reason}" if value.reason else value.status
        return spread(value.ours) if value.ours else told

    def markdown(self, value: Comparison) -> str:
        # The brackets of an interval are no link.
        return self.text(value) if value.ours else super().markdown(value)

    def csv(self, value: Comparison) -> list[str]:
        return [*Measured().csv(value.ours), value.status, value.reason]


class _Published(Number):
    """A published figure; not all that is shown is printed as a number."""

    def markdown(self, value: float | None) -> str:
        return self.text(value) or "not printed"


class _Difference(Number):
    """A difference with its sign."""

    def text(self, value: float | None) -> str:
        return "" if value is None else f"+{number(value)}" if value > 0 else number(value)


def comparison_columns() -> list[ComparisonColumn]:
    """The columns, in order."""

    def told(line: Comparison) -> tuple[str, ...]:
        missing = line.reason if line.status == "ok" else ""
        return line.published.note, missing

    return [
        Column(Words(), lambda c: c.published.source, markdown="Source", csv=("source",)),
        Column(Words(), lambda c: c.published.setting, markdown="Published for", csv=("published_for",)),
        Column(_Named(), lambda c: c.target.board.dataset, markdown="Dataset", csv=("dataset",)),
        Column(_Named(), lambda c: c.target.board.model, markdown="Model", csv=("model",)),
        Column(Words(), lambda c: c.target.board.task, csv=("task",)),
        Column(_Named(), lambda c: c.target.board.options, markdown="Options", csv=("options",)),
        Column(Words(), lambda c: c.target.board.scale, csv=("scale",)),
        Column(_Named(), lambda c: c.target.pairing.defense, markdown="Defense", csv=("defense",)),
        Column(_Named(), lambda c: c.target.pairing.attack, markdown="Attack", csv=("attack",)),
        Column(Words(), lambda c: c.target.pairing.game, csv=("game",)),
        Column(Words(), _metric_in_unit, markdown="Figure"),
        Column(Words(), _metric, csv=("metric",)),
        Column(Words(), lambda c: c.published.unit or c.target.unit, csv=("unit",)),
        Column(
            _Published(), lambda c: c.published.value, markdown="Published", csv=("published",), notes=told
        ),
        Column(_Ours(), lambda c: c, markdown="Ours [95%]", csv=("ours", "low", "high", "status", "reason")),
        Column(_Difference(), lambda c: c.difference, markdown="Difference", csv=("difference",)),
        Column(Seeds(), lambda c: c.seeds, csv=("seeds",)),
        Column(Words(), lambda c: c.published.note, csv=("note",)),
    ]


def _metric(comparison: Comparison) -> str:
    part, metric = comparison.target.part, comparison.target.metric
    return metric if part == "figures" else f"{part}:{metric}"


def _metric_in_unit(comparison: Comparison) -> str:
    return ", ".join(filter(None, (_metric(comparison), comparison.published.unit)))
