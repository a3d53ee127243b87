"""Console tables: every cell, then the worst case of every defense."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from privbench.report.board import Board, make_boards
from privbench.report.bootstrap import Interval
from privbench.report.cells import NULL
from privbench.report.defense_rows import DefenseRow
from privbench.report.game_table import print_game
from privbench.report.text import DASH, flat, guarantee_text, number, spread
from privbench.report.worst_case import Rating
from privbench.runner.results import Result

_ROOMY = 96
_WORD = 11
_STYLES = {"RATED": "green", "BROKEN": "bold red", "INCONCLUSIVE": "yellow", "UNRATED": "yellow"}


def print_results(results: Iterable[Result], console: Console) -> None:
    """Print all boards of ``results``: cells by game, what does not apply, failures, worst cases.

    Raises:
        DataError: results contradict each other.
    """
    for board in make_boards(results):
        key = board.key
        seeds = ", ".join(map(str, board.seeds))
        word = "seed" if len(board.seeds) == 1 else "means over seeds"
        console.print(Text(f"{key.dataset} · {key.model} · {key.scale} · {word} {seeds}", style="bold"))
        for game in board.games:
            print_game(board, game, console)
        _print_defenses(board, console)


def _print_defenses(board: Board, console: Console) -> None:
    roomy = console.width >= _ROOMY
    leakage = "leakage [95%]" if roomy else "leakage"
    headers = ("rank", "defense", "status", leakage, "bound", "by", "utility/\nplain", "guarantee")
    gap = " " if roomy else "\n"
    lines: list[list[Text]] = []
    notes: list[str] = []
    for row in board.defenses:
        worst, guarantee = row.overall, guarantee_text(row.guarantee)
        lines.append(
            [
                Text("control" if row.control else DASH if row.rank is None else str(row.rank)),
                Text(row.defense, style="dim" if row.control else ""),
                Text(DASH if row.control else worst.status, style=_STYLES.get(worst.status, "")),
                Text(_leakage(worst.leakage, roomy)),
                Text(number(worst.leakage.bound) if worst.leakage else DASH),
                Text(f"{worst.attack},{gap}{worst.metric}" if worst.leakage else DASH),
                Text(_utility(row) if roomy else _utility(row).replace("/", "/\n")),
                Text(guarantee if roomy else ""),
            ]
        )
        if guarantee and not roomy:
            notes.append(f"{row.defense}: guarantee {guarantee}")
        notes += [
            f"{row.defense}, {game}: {_missing(r)}" for game, r in row.games.items() if r.leakage is None
        ]
        notes += [f"{row.defense}: {note}" for note in worst.notes]
    console.print()
    console.print(_table("worst case", headers, lines, (0, 1, 2, 3, 4)))
    for note in notes:
        console.print(Text(flat(note), style="dim"))
    if any(row.overall.status == "INCONCLUSIVE" for row in board.defenses if not row.control):
        told = f"too few samples to tell it from {NULL} (bound {number(board.resolution())}); no pass"
        console.print(Text(f"INCONCLUSIVE: {told}.", style="dim"))
    console.print(Text("A bound over the attacks that were run, not a proof.", style="dim"))


def _leakage(leak: Interval | None, roomy: bool) -> str:
    if leak is None:
        return DASH
    return spread(leak) if roomy else number(leak.value)


def _missing(rating: Rating) -> str:
    return f"{rating.status.lower()}: {rating.reason}"


def _table(
    title: str, headers: Sequence[str], rows: Sequence[Sequence[Text]], figures: Sequence[int]
) -> Table:
    """A table without its empty columns; the columns ``figures`` are kept on one line."""
    used = [c for c in range(len(headers)) if any(row[c].plain for row in rows)]
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in used:
        words = " ".join([headers[column], *(row[column].plain for row in rows)]).split()
        least = min(_WORD, max(map(len, words)))
        table.add_column(headers[column], overflow="fold", no_wrap=column in figures, min_width=least)
    for row in rows:
        table.add_row(*(row[column] for column in used))
    return table


def _utility(row: DefenseRow) -> str:
    mine, plain = row.utility.get(row.utility_metric), row.plain_utility.get(row.utility_metric)
    if mine is None or mine.value is None:
        return DASH
    return f"{number(mine.value)}/{number(plain.value) if plain else '?'}"
