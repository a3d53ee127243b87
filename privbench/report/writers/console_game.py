"""The console tables of one game: for each defense its utility and the attacks on it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from privbench.rating.board import Board
from privbench.rating.cell_rows import CellRow
from privbench.rating.defense_rows import DefenseRow
from privbench.report.columns.attacks import AttackLine, attack_columns
from privbench.report.text import flat, number, spread

_LEAST = 10


def print_game(board: Board, game: str, console: Console) -> None:
    """Print the attacks of ``game``, what does not apply and what failed."""
    console.print(Text(f"\n{game} game", style="bold"))
    cells = [cell for cell in board.cells if cell.pairing.game == game]
    done = [cell for cell in cells if cell.status == "ok"]
    if done:
        _print_cells(board, game, done, console)
    if idle := [cell for cell in cells if cell.status == "not-applicable"]:
        console.print(Text(_does_not_apply(idle), style="dim"))
    for cell in cells:
        if cell.status == "failed" or (cell.status == "ok" and cell.reason):
            name = f"{cell.pairing.attack} on {cell.pairing.defense}"
            console.print(Text(flat(f"failed: {name}: {cell.reason}"), style="red"))


def _print_cells(board: Board, game: str, cells: Sequence[CellRow], console: Console) -> None:
    headline, *others = board.metrics[game] or ("",)
    known = [m for m in others if any(f.value is not None for c in cells if (f := c.figures.get(m)))]
    columns = [column for column in attack_columns(board, (headline, *known)) if column.console]
    headers = [column.form.heading(column.console, roomy=True) for column in columns]
    lines = {
        cell.pairing: [_text(c.form.console(c.read(AttackLine(cell)), roomy=True)) for c in columns]
        for cell in cells
    }
    shared = set.intersection(*(set(cell.flags) for cell in cells)) if len(cells) > 1 else set()
    widths = _widths(headers, list(lines.values()), console.width)
    head = True
    for row in board.defenses:
        mine = [cell for cell in cells if cell.pairing.defense == row.defense]
        if not mine:
            continue
        table = Table(box=None, show_header=head, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for header, width in zip(headers, widths, strict=True):
            table.add_column(header, overflow="fold", width=width, vertical="top")
        for cell in mine:
            table.add_row(*lines[cell.pairing])
        title = Text(row.defense, style="cyan").append(f"  {_utility_words(row)}", style="default")
        console.print(title.append("  control", style="dim") if row.control else title)
        console.print(Padding(table, (0, 0, 0, 2)))
        for flag in sorted({flag for cell in mine for flag in cell.flags} - shared):
            flagged = ", ".join(cell.pairing.attack for cell in mine if flag in cell.flags)
            console.print(Text(f"  {flat(flag)} ({flagged})", style="yellow"))
        head = False
    for flag in sorted(shared):
        console.print(Text(f"all: {flat(flag)}", style="yellow"))


def _widths(headers: Sequence[str], rows: Sequence[Sequence[Text]], width: int) -> list[int | None]:
    """Widths that fit all text, the first column giving way; None for all where that is too much."""
    wanted = [
        max(*(len(part) for part in header.split("\n")), *(len(row[column].plain) for row in rows))
        for column, header in enumerate(headers)
    ]
    room = width - 2 - 2 * (len(headers) - 1) - sum(wanted[1:])
    if room < min(_LEAST, wanted[0]):
        return [None] * len(headers)
    return [min(wanted[0], room), *wanted[1:]]


def _text(shown: str) -> Text:
    return Text(shown, style="dim" if shown in {"floor", "not certified"} else "")


def _utility_words(row: DefenseRow) -> str:
    name = row.utility_metric
    mine, plain = row.utility.get(name), row.plain_utility.get(name)
    if mine is None or mine.value is None:
        return "no utility measured"
    beside = f", plain model {number(plain.value)}" if plain else ""
    return f"{name} {spread(mine)}{beside}"


def _does_not_apply(cells: Sequence[CellRow]) -> str:
    reasons: dict[str, int] = {}
    for cell in cells:
        reasons[cell.reason] = reasons.get(cell.reason, 0) + 1
    count = f"{len(cells)} cell{'s do' if len(cells) > 1 else ' does'} not apply: "
    return count + "; ".join(f"{reason} ({n})" for reason, n in sorted(reasons.items()))
