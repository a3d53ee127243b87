"""Markdown tables with footnotes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from privbench.report.columns.column import Column
from privbench.report.text import escape

Row = TypeVar("Row")


class Notes:
    """Numbered footnotes; the same text keeps its number."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}

    def __call__(self, *texts: str) -> str:
        """Marks for the notes ``texts``."""
        marks = [str(self._texts.setdefault(text, len(self._texts) + 1)) for text in texts if text]
        return f" <sup>{','.join(marks)}</sup>" if marks else ""

    def __str__(self) -> str:
        return "".join(f"{place}. {escape(text)}\n" for text, place in self._texts.items())


def lay_out(columns: Iterable[Column[Row, Any]], rows: Iterable[Row], notes: Notes) -> str:
    """The table of those ``columns`` that have a heading in markdown; footnotes go to ``notes``."""
    shown = [column for column in columns if column.markdown]
    lines = [[(c.form.markdown(c.read(row)) + notes(*c.notes(row))).strip() for c in shown] for row in rows]
    return markdown_table([escape(column.markdown) for column in shown], lines)


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A markdown table; cells must be escaped already.

    Raises:
        ValueError: a row has another length than the header.
    """
    lines = [f"| {' | '.join(header)} |", f"|{'|'.join(' --- ' for _ in header)}|"]
    for row in rows:
        if len(row) != len(header):
            raise ValueError(f"a row of {len(row)} cells in a table of {len(header)} columns")
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines) + "\n"
