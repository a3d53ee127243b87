"""A board as comma-separated values, for machines."""

from __future__ import annotations

import json

from privbench.core.records import Figure
from privbench.core.threat import Game
from privbench.report.board import Board
from privbench.report.bootstrap import Interval
from privbench.report.cell_rows import CellRow
from privbench.report.cells import FLOOR, base_name
from privbench.report.defense_rows import DefenseRow
from privbench.report.text import csv_text, exact

_LEAKAGE = ("leakage", "leakage_low", "leakage_high", "leakage_bound")


def defenses_csv(board: Board) -> str:
    """One row for each defense, in the order of the board."""
    header = [
        "rank",
        "defense",
        "control",
        "status",
        "reason",
        *_LEAKAGE,
        "game",
        "attack",
        "metric",
        "seeds",
    ]
    for game in Game:
        header += [f"{game}_{name}" for name in ("status", "reason", *_LEAKAGE)]
    header += ["utility_metric"]
    header += [
        f"{which}_{part}" for which in ("utility", "plain_utility") for part in ("mean", "low", "high")
    ]
    header += ["relative_utility", "epsilon", "delta", "guarantee"]
    header += ["training_slowdown", "inference_slowdown", "attack_seconds", "notes"]
    return csv_text(header, [_defense(row) for row in board.defenses])


def _defense(row: DefenseRow) -> list[str]:
    worst = row.overall
    cells = [
        "" if row.rank is None else str(row.rank),
        row.defense,
        _yes(row.control),
        worst.status,
        worst.reason,
    ]
    cells += [*_leakage(worst.leakage), worst.game or "", worst.attack, worst.metric, _seeds(worst.seeds)]
    for game in Game:
        rating = row.games.get(game)
        cells += [rating.status, rating.reason] if rating else ["NOT RUN", ""]
        cells += _leakage(rating.leakage if rating else None)
    cells += [row.utility_metric]
    for figures in (row.utility, row.plain_utility):
        cells += _figure(figures.get(row.utility_metric))
    guarantee = row.guarantee
    cells += [exact(row.relative_utility), _value(guarantee.get("epsilon")), _value(guarantee.get("delta"))]
    cells += [json.dumps(guarantee, sort_keys=True) if guarantee else ""]
    cells += [exact(row.fit_slowdown), exact(row.inference_slowdown), exact(row.attack_seconds)]
    return [*cells, "; ".join(worst.notes)]


def cells_csv(board: Board) -> str:
    """One row for each attack on a defense in a game and each metric, averaged over seeds."""
    header = [
        "game",
        "defense",
        "attack",
        "status",
        "reason",
        "metric",
        "mean",
        "low",
        "high",
        "n",
        *_LEAKAGE,
    ]
    header += ["certified", "certification", "flags", "queries", "attack_seconds", "seeds", "note"]
    certificates = {(c.game, c.attack, c.metric): c for c in board.certificates}
    rows = []
    for cell in board.cells:
        for name in [m for m in board.metrics[cell.tried.game] if m in cell.figures] or [""]:
            certificate = certificates.get((cell.tried.game, cell.tried.attack, name))
            certified = [_yes(certificate.certified), certificate.reason] if certificate else ["", ""]
            if name and base_name(cell.tried.attack) == FLOOR:
                certified = ["", "the floor"]
            rows.append([*_cell(cell, name), *certified, *_effort(cell), _note(cell.figures.get(name))])
    return csv_text(header, rows)


def _cell(cell: CellRow, metric: str) -> list[str]:
    figure = cell.figures.get(metric)
    count = str(figure.n) if figure else ""
    start = [cell.tried.game.value, cell.tried.defense, cell.tried.attack, cell.status, cell.reason]
    return [*start, metric, *_figure(figure), count, *_leakage(cell.leakage.get(metric))]


def _effort(cell: CellRow) -> list[str]:
    queries = "; ".join(f"{oracle} {exact(count)}" for oracle, count in cell.queries.items())
    return ["; ".join(cell.flags), queries, exact(cell.seconds) if cell.seeds else "", _seeds(cell.seeds)]


def _figure(figure: Figure | None) -> list[str]:
    return [exact(figure.value), exact(figure.low), exact(figure.high)] if figure else ["", "", ""]


def _leakage(leak: Interval | None) -> list[str]:
    return [exact(v) for v in (leak.value, leak.low, leak.high, leak.bound)] if leak else [""] * len(_LEAKAGE)


def _note(figure: Figure | None) -> str:
    return figure.note if figure else ""


def _seeds(seeds: tuple[int, ...]) -> str:
    return " ".join(map(str, seeds))


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _value(value: float | str | None) -> str:
    return "" if value is None else str(value)
