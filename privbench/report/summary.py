"""What the console tables show, as plain data for ``--json``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from privbench.core.records import Figure
from privbench.report.board import make_boards
from privbench.report.bootstrap import Interval
from privbench.report.cell_rows import CellRow
from privbench.report.defense_rows import DefenseRow
from privbench.report.worst_case import Rating
from privbench.runner.results import Result


def summary(results: Iterable[Result]) -> list[dict[str, Any]]:
    """For each board its defenses and cells; JSON types only.

    Raises:
        DataError: results contradict each other.
    """
    return [
        {
            **board.key._asdict(),
            "seeds": list(board.seeds),
            "defenses": [_defense_data(row) for row in board.defenses],
            "cells": [_cell_data(cell) for cell in board.cells],
        }
        for board in make_boards(results)
    ]


def _defense_data(row: DefenseRow) -> dict[str, Any]:
    return {
        "defense": row.defense,
        "control": row.control,
        "rank": row.rank,
        "worst_case": _rating_data(row.overall),
        "games": {game.value: _rating_data(rating) for game, rating in row.games.items()},
        "utility": {m: _figure_data(f) for m, f in row.utility.items()},
        "plain_utility": {m: _figure_data(f) for m, f in row.plain_utility.items()},
        "relative_utility": row.relative_utility,
        "guarantee": row.guarantee,
        "training_slowdown": row.fit_slowdown,
        "inference_slowdown": row.inference_slowdown,
        "attack_seconds": row.attack_seconds,
    }


def _rating_data(rating: Rating) -> dict[str, Any]:
    return {
        "status": rating.status,
        "reason": rating.reason,
        "leakage": _interval_data(rating.leakage),
        "game": rating.game.value if rating.game else None,
        "attack": rating.attack,
        "metric": rating.metric,
        "seeds": list(rating.seeds),
        "notes": list(rating.notes),
    }


def _cell_data(cell: CellRow) -> dict[str, Any]:
    return {
        **cell.tried._asdict(),
        "status": cell.status,
        "reason": cell.reason,
        "seeds": list(cell.seeds),
        "figures": {m: _figure_data(f) for m, f in cell.figures.items()},
        "leakage": {m: _interval_data(leak) for m, leak in cell.leakage.items()},
        "flags": list(cell.flags),
        "queries": cell.queries,
        "seconds": cell.seconds,
    }


def _figure_data(figure: Figure) -> dict[str, Any]:
    return figure.model_dump(mode="json")


def _interval_data(leak: Interval | None) -> dict[str, float] | None:
    return {"value": leak.value, "low": leak.low, "high": leak.high, "bound": leak.bound} if leak else None
