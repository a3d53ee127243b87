"""Console tables: every cell, then the worst case of every defense."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from privbench.core.threat import Game
from privbench.report.board import Board, make_boards
from privbench.report.cell_rows import CellRow
from privbench.report.cells import FLOOR, base_name
from privbench.report.defense_rows import DefenseRow
from privbench.report.text import DASH, guarantee_text, number, spread
from privbench.report.worst_case import Rating
from privbench.runner.results import Result

_STYLES = {"RATED": "green", "BROKEN": "bold red", "UNRATED": "yellow"}


def print_results(results: Iterable[Result], console: Console) -> None:
    """Print all boards of ``results``: cells by game, what does not apply, failures, worst cases.

    Raises:
        DataError: results contradict each other.
    """
    for board in make_boards(results):
        key = board.key
        seeds = ", ".join(map(str, board.seeds))
        console.print(Text(f"{key.dataset} · {key.model} · {key.scale} · seeds {seeds}", style="bold"))
        for game in board.games:
            _print_game(board, game, console)
        _print_defenses(board, console)


def _print_game(board: Board, game: Game, console: Console) -> None:
    cells = [cell for cell in board.cells if cell.tried.game == game]
    done = [cell for cell in cells if cell.status == "ok"]
    if done:
        console.print(_cell_table(board, game, done))
    if idle := [cell for cell in cells if cell.status == "not-applicable"]:
        console.print(Text(_does_not_apply(idle), style="dim"))
    for cell in cells:
        if cell.status == "failed" or (cell.status == "ok" and cell.reason):
            name = f"{cell.tried.attack} on {cell.tried.defense}"
            console.print(Text(f"failed: {name}: {cell.reason}", style="red"))


def _cell_table(board: Board, game: Game, cells: Sequence[CellRow]) -> Table:
    names = board.metrics[game]
    headline = names[0] if names else ""
    certified = {(c.attack, c.metric) for c in board.certificates if c.game == game and c.certified}
    rows = {row.defense: row for row in board.defenses}
    table = Table(
        title=f"{game} game", title_justify="left", title_style="bold", pad_edge=False, collapse_padding=True
    )
    for header in (
        "defense",
        "attack",
        f"{headline} [95%]",
        "others",
        "leakage",
        "utility (plain)",
        "time",
        "flags",
    ):
        right = header == "time"
        table.add_column(header, overflow="fold", justify="right" if right else "left")
    for cell in cells:
        row = rows[cell.tried.defense]
        others = [
            f"{n} {number(f.value)}" for n in names[1:] if (f := cell.figures.get(n)) and f.value is not None
        ]
        table.add_row(
            Text(cell.tried.defense, style="dim" if row.control else ""),
            Text(cell.tried.attack),
            spread(cell.figures.get(headline)) or DASH,
            ", ".join(others),
            _leak(cell, certified),
            _utility(row),
            f"{cell.seconds:.1f} s",
            Text("; ".join(cell.flags), style="yellow"),
        )
    return table


def _leak(cell: CellRow, certified: set[tuple[str, str]]) -> Text:
    if base_name(cell.tried.attack) == FLOOR:
        return Text("floor", style="dim")
    counted = {m: leak for m, leak in cell.leakage.items() if (cell.tried.attack, m) in certified}
    if not counted:
        return Text("not certified", style="dim")
    name = min(counted, key=lambda m: (-round(counted[m].value, 9), m))
    return Text(
        f"{number(counted[name].value)} ({name})" if len(cell.leakage) > 1 else number(counted[name].value)
    )


def _utility(row: DefenseRow) -> str:
    mine, plain = row.utility.get(row.utility_metric), row.plain_utility.get(row.utility_metric)
    if mine is None or mine.value is None:
        return DASH
    return f"{number(mine.value)} ({number(plain.value) if plain else '?'})"


def _does_not_apply(cells: Sequence[CellRow]) -> str:
    reasons: dict[str, int] = {}
    for cell in cells:
        reasons[cell.reason] = reasons.get(cell.reason, 0) + 1
    count = f"{len(cells)} cell{'s do' if len(cells) > 1 else ' does'} not apply: "
    return count + "; ".join(f"{reason} ({n})" for reason, n in sorted(reasons.items()))


def _print_defenses(board: Board, console: Console) -> None:
    table = Table(
        title="worst case", title_justify="left", title_style="bold", pad_edge=False, collapse_padding=True
    )
    for header in (
        "rank",
        "defense",
        "status",
        "leakage [95%]",
        "bound",
        "by",
        "utility (plain)",
        "guarantee",
    ):
        table.add_column(header, overflow="fold")
    notes: list[str] = []
    for row in board.defenses:
        worst = row.overall
        rank = "control" if row.control else DASH if row.rank is None else str(row.rank)
        by = f"{worst.attack}, {worst.metric} ({worst.game})" if worst.leakage else DASH
        table.add_row(
            rank,
            Text(row.defense, style="dim" if row.control else ""),
            Text(worst.status, style=_STYLES.get(worst.status, "")),
            spread(worst.leakage) or DASH,
            number(worst.leakage.bound) if worst.leakage else DASH,
            Text(by),
            _utility(row),
            guarantee_text(row.guarantee) or DASH,
        )
        notes += [
            f"{row.defense}, {game}: {_missing(r)}" for game, r in row.games.items() if r.leakage is None
        ]
        notes += [f"{row.defense}: {note}" for note in worst.notes]
    console.print(table)
    for note in notes:
        console.print(Text(note, style="dim"))
    console.print(Text("A bound over the attacks that were run, not a proof.", style="dim"))


def _missing(rating: Rating) -> str:
    return f"{rating.status.lower()}: {rating.reason}"
