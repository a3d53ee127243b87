"""A column of a table: how its value is read from a row, who shows it and in which form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from privbench.report.columns.forms import Form

Row = TypeVar("Row")
Value = TypeVar("Value")


def _no_notes(_row: object) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True)
class Column(Generic[Row, Value]):
    """One column of a table; a writer for which it has no heading does not show it.

    Attributes:
        form: how values are written.
        read: the value, from a row.
        console, markdown: the heading there, as plain text.
        csv: the names of the CSV columns that its form fills.
        notes: what a footnote says of a row's value; where there are footnotes.
    """

    form: Form[Value]
    read: Callable[[Row], Value]
    console: str = ""
    markdown: str = ""
    csv: tuple[str, ...] = ()
    notes: Callable[[Row], tuple[str, ...]] = _no_notes
