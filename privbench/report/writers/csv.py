"""A board as comma-separated values, for machines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from privbench.core.printable import printable
from privbench.rating.board import Board
from privbench.report.columns.attacks import AttackLine, attack_columns
from privbench.report.columns.column import Column
from privbench.report.columns.defenses import defense_columns

Row = TypeVar("Row")


def defenses_csv(board: Board) -> str:
    """One row for each defense, in the order of the board."""
    return lay_out_csv(defense_columns(board), board.defenses)


def cells_csv(board: Board) -> str:
    """One row for each attack on a defense in a game and each metric, averaged over seeds."""
    lines = [
        AttackLine(cell, name)
        for cell in board.cells
        for name in [m for m in board.metrics[cell.pairing.game] if m in cell.figures] or [""]
    ]
    return lay_out_csv(attack_columns(board), lines)


def lay_out_csv(columns: Sequence[Column[Row, Any]], rows: Iterable[Row]) -> str:
    """Those ``columns`` that have names in CSV, lines ended by a line feed alone."""
    shown = [column for column in columns if column.csv]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([name for column in shown for name in column.csv])
    for row in rows:
        fields = [field for column in shown for field in column.form.csv(column.read(row))]
        writer.writerow(map(printable, fields))
    return out.getvalue()
