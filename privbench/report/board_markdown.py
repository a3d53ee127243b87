"""A board as a markdown page, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from privbench.core.records import Figure
from privbench.core.threat import Game
from privbench.report.board import Board
from privbench.report.defense_rows import DefenseRow
from privbench.report.game_markdown import Notes, figure_or_dash, game_markdown
from privbench.report.legend import legend
from privbench.report.text import (
    DASH,
    code,
    escape,
    factor,
    guarantee_text,
    markdown_table,
    number,
    seconds,
    spread,
)
from privbench.report.worst_case import Rating


def board_markdown(board: Board) -> str:
    """The page."""
    key = board.key
    notes = Notes()
    defenses = _defenses(board, notes)
    parts = [
        f"# Leaderboard: {code(key.dataset)}\n",
        _setting(board),
        f"{defenses}\n{notes}" if str(notes) else defenses,
        legend(board),
        f"![Privacy against utility]({board.slug}.png)\n",
        _deployments(board),
        *(game_markdown(board, game) for game in board.games),
        _provenance(board),
    ]
    return "\n".join(part for part in parts if part)


def _setting(board: Board) -> str:
    key = board.key
    seeds = ", ".join(map(str, board.seeds))
    return f"Model {code(key.model)}, scale {key.scale}, protocol {key.protocol}, seeds {seeds}.\n"


def _defenses(board: Board, notes: Notes) -> str:
    header = ["Rank", "Defense", "Status", "Worst case", "Bound", "By"]
    header += [game.value.capitalize() for game in board.games]
    header += [
        escape(board.utility_metric.capitalize()),
        "Relative utility",
        "Guarantee",
        "Training",
        "Inference",
        "Attacks",
    ]
    return markdown_table(header, [_defense(row, board.games, notes) for row in board.defenses])


def _defense(row: DefenseRow, games: Sequence[Game], notes: Notes) -> list[str]:
    worst = row.overall
    rank = "control" if row.control else DASH if row.rank is None else str(row.rank)
    status = DASH if row.control else worst.status
    cells = [rank, code(row.defense), status + notes(*worst.notes)]
    if worst.leakage is None:
        cells += [DASH + notes(worst.reason), DASH, DASH]
    else:
        by = f"{code(worst.attack)}, {escape(worst.metric)}"
        cells += [spread(worst.leakage), number(worst.leakage.bound), by]
    cells += [_verdict(row.games[game], notes) for game in games]
    utility = spread(row.utility.get(row.utility_metric)) or DASH
    cells += [utility, number(row.relative_utility) or DASH, escape(guarantee_text(row.guarantee)) or DASH]
    return [
        *cells,
        factor(row.fit_slowdown) or DASH,
        factor(row.inference_slowdown) or DASH,
        seconds(row.attack_seconds),
    ]


def _verdict(rating: Rating, notes: Notes) -> str:
    if rating.leakage is not None:
        return f"{spread(rating.leakage)}, {code(rating.attack)}"
    shown = "UNRATED" if rating.status == "UNRATED" else DASH
    return shown + notes(rating.reason)


def _deployments(board: Board) -> str:
    used = sorted({m for row in board.defenses for m in row.utility})
    utility = [
        [code(row.defense), *_figures(row.utility, used), *_figures(row.plain_utility, used)]
        for row in board.defenses
        if row.utility
    ]
    header = ["Defense", *map(escape, used), *(f"{escape(m)}, plain model" for m in used)]
    parts = [f"## Utility\n\n{markdown_table(header, utility)}"] if utility else []
    seen = sorted({m for row in board.defenses for m in row.release})
    release = [[code(row.defense), *_figures(row.release, seen)] for row in board.defenses if row.release]
    if release:
        parts.append(f"## Released images\n\n{markdown_table(['Defense', *map(escape, seen)], release)}")
    return "\n".join(parts)


def _figures(figures: Mapping[str, Figure], names: Sequence[str]) -> list[str]:
    return [figure_or_dash(figures.get(name)) for name in names]


def _provenance(board: Board) -> str:
    records = board.records
    told = {
        "privbench": sorted({r.provenance.versions.get("privbench", "unknown") for r in records}),
        "code": sorted({r.provenance.git or "no git" for r in records}),
        "device": sorted({r.provenance.device for r in records}),
    }
    listed = "; ".join(f"{name} {', '.join(map(escape, values))}" for name, values in told.items())
    mixed = (
        "**These records come from several states of the code**, so that rows may differ "
        "for that reason alone; run everything again with one state to be sure.\n\n"
        if len(told["code"]) > 1
        else ""
    )
    return (
        f"{mixed}Provenance: {len(records)} records; protocol {board.key.protocol}; {listed}; "
        f"seeds {', '.join(map(str, board.seeds))}; hash over record keys {code(board.fingerprint)}.\n"
    )
