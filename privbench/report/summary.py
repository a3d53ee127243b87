"""What a reader should take from a board: in a sentence or two, and for machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from privbench.core.controls import BREAK, CONTROLS
from privbench.rating.board import Board
from privbench.rating.defense_rows import DefenseRow
from privbench.report.text import number

_FEW = 3
"""Defenses that a sentence can name."""


def closing(board: Board) -> Iterator[str]:
    """What leaks, what was not tried, and the next command."""
    absent = [control for control in CONTROLS if control not in {row.defense for row in board.defenses}]
    if absent:
        yield (
            f"{' and '.join(absent)} were not run: without these controls leakage has no scale, no attack is "
            "certified, and there is no verdict."
        )
        return
    rows = [row for row in board.defenses if not row.control]
    leaks = [told for row in rows if (told := _leak(row))]
    if 0 < len(leaks) <= _FEW:
        yield f"{'; '.join(leaks)}."
    open_games = sorted({game for row in rows for game in row.basis.missing})
    if open_games:
        behind = [row.defense for row in rows if row.basis.missing]
        named = ", ".join(behind) if len(behind) <= _FEW else f"{len(behind)} defenses"
        options = " ".join(f"--attack {game}" for game in open_games)
        yield (
            f"Not tried on {named}: {', '.join(open_games)}. A defense is judged by all games that apply; "
            f"next: the same command with {options}"
        )


def verdicts(boards: Iterable[Board]) -> list[dict[str, Any]]:
    """The verdict on each defense of each board, with what it rests on, as JSON values."""
    return [_verdict(board, row) for board in boards for row in board.defenses if not row.control]


def _leak(row: DefenseRow) -> str:
    worst = row.overall
    if worst.leakage is None:
        return ""
    if worst.leakage.value <= 0:
        return f"{row.defense}: no attack got more than a blind guess ({row.basis})"
    got = f"{row.defense}: {worst.attack} got {number(worst.leakage.value)} of what {BREAK} gives away"
    return f"{got} ({worst.game}, {worst.metric}; {row.basis})"


def _verdict(board: Board, row: DefenseRow) -> dict[str, Any]:
    key, worst, leak = board.key, row.overall, row.overall.leakage
    return {
        "dataset": key.dataset,
        "model": key.model,
        "task": key.task,
        "options": key.options,
        "scale": key.scale,
        "defense": row.defense,
        "status": worst.status,
        "reason": worst.reason,
        "marks": list(row.marks),
        "leakage": None if leak is None else leak.value,
        "low": None if leak is None else leak.low,
        "high": None if leak is None else leak.high,
        "bound": None if leak is None else leak.bound,
        "game": worst.game,
        "attack": worst.attack,
        "metric": worst.metric,
        "seeds": list(worst.seeds),
        "games_played": list(row.basis.played),
        "games_not_played": list(row.basis.missing) if row.basis.known else None,
        "resolution": board.resolution(),
    }
