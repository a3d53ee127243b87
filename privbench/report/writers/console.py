"""Console tables: every cell, then the worst case of every defense."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from privbench.core.controls import NULL
from privbench.core.seeds import seed_list
from privbench.rating.board import Board, make_boards
from privbench.rating.defense_rows import DefenseRow
from privbench.report.columns.defenses import DefenseColumn, defense_columns
from privbench.report.summary import closing
from privbench.report.text import flat, guarantee_text, number
from privbench.report.writers.console_game import print_game
from privbench.store.results import Result

_ROOMY = 96
_WORD = 11
_UNBROKEN = 5
"""The columns from rank to bound: names and figures, which are hard to read in pieces."""

_STYLES = {"RATED": "green", "BROKEN": "bold red", "INCONCLUSIVE": "yellow", "UNRATED": "yellow"}


def print_results(results: Iterable[Result], console: Console) -> None:
    """Print all boards of ``results``: cells by game, what does not apply, failures, worst cases.

    Raises:
        DataError: results contradict each other.
    """
    for board in make_boards(results):
        key = board.key
        word = "seed" if len(board.seeds) == 1 else "means over seeds"
        told = [key.dataset, key.model, key.scale, key.unusual, f"{word} {seed_list(board.seeds)}"]
        console.print(Text(" · ".join(filter(None, told)), style="bold"))
        for game in board.games:
            print_game(board, game, console)
        _print_defenses(board, console)


def _print_defenses(board: Board, console: Console) -> None:
    roomy = console.width >= _ROOMY
    columns = [column for column in defense_columns(board) if column.console]
    lines = [
        [Text(c.form.console(c.read(row), roomy=roomy), style=_style(c, row)) for c in columns]
        for row in board.defenses
    ]
    console.print()
    console.print(_table([c.form.heading(c.console, roomy=roomy) for c in columns], lines))
    for note in _notes(board, roomy=roomy):
        console.print(Text(flat(note), style="dim"))
    if any(row.overall.status == "INCONCLUSIVE" for row in board.defenses if not row.control):
        told = f"too few samples to tell it from {NULL} (bound {number(board.resolution())}); no pass"
        console.print(Text(f"INCONCLUSIVE: {told}.", style="dim"))
    for sentence in closing(board):
        console.print(Text(flat(sentence)))
    console.print(Text("A bound over the attacks that were run, not a proof.", style="dim"))


def _style(column: DefenseColumn, row: DefenseRow) -> str:
    if row.control:
        return "dim" if column.console == "defense" else ""
    if column.console != "status":
        return ""
    if row.overall.status == "RATED" and (not row.basis.complete or row.marks):
        return "yellow"
    return _STYLES.get(row.overall.status, "")


def _notes(board: Board, *, roomy: bool) -> Iterator[str]:
    for row in board.defenses:
        guarantee = guarantee_text(row.guarantee)
        if guarantee and not roomy:
            yield f"{row.defense}: guarantee {guarantee}"
        for game, rating in row.games.items():
            if rating.leakage is None:
                yield f"{row.defense}, {game}: {rating.status.lower()}: {rating.reason}"
        for note in row.overall.notes:
            yield f"{row.defense}: {note}"


def _table(headers: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    """A table without its empty columns; the first ``_UNBROKEN`` are kept on one line."""
    used = [c for c in range(len(headers)) if any(row[c].plain for row in rows)]
    table = Table(
        title="worst case",
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for column in used:
        words = " ".join([headers[column], *(row[column].plain for row in rows)]).split()
        least = min(_WORD, max(map(len, words)))
        table.add_column(headers[column], overflow="fold", no_wrap=column < _UNBROKEN, min_width=least)
    for row in rows:
        table.add_row(*(row[column] for column in used))
    return table
