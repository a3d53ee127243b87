"""The part of a board's page that is about one game: every attack, and what certifies it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from privbench.core.records import Figure
from privbench.core.threat import Game
from privbench.report.board import Board
from privbench.report.cell_rows import CellRow
from privbench.report.cells import BREAK, FLOOR, NULL, base_name
from privbench.report.certification import Certificate
from privbench.report.legend import game_legend
from privbench.report.text import DASH, code, escape, markdown_table, number, seconds, spread


class Notes:
    """Numbered footnotes; the same text keeps its number."""

    def __init__(self) -> None:
        self._texts: dict[str, int] = {}

    def __call__(self, *texts: str) -> str:
        """Marks for the notes ``texts``."""
        marks = [str(self._texts.setdefault(text, len(self._texts) + 1)) for text in texts if text]
        return f" <sup>{','.join(marks)}</sup>" if marks else ""

    def __str__(self) -> str:
        return "".join(f"{place}. {escape(text)}\n" for text, place in self._texts.items())


def game_markdown(board: Board, game: Game) -> str:
    """The section."""
    cells = [cell for cell in board.cells if cell.tried.game == game]
    certificates = [c for c in board.certificates if c.game == game]
    notes = Notes()
    names = board.metrics[game]
    header = [
        "Defense",
        "Attack",
        *map(escape, names),
        "Leakage",
        "By",
        "Rates by",
        "Queries",
        "Time",
        "Flags",
    ]
    rows = [_cell(cell, names, certificates, notes) for cell in cells if cell.status == "ok"]
    parts = [f"## {game.value.capitalize()} game\n", game_legend(board, game)]
    if rows:
        parts.append(markdown_table(header, rows))
    if str(notes):
        parts.append(str(notes))
    parts += [_undone(cells, "failed", "Failed"), _undone(cells, "not-applicable", "Does not apply")]
    if certificates:
        parts.append(_certification(certificates))
    return "\n".join(part for part in parts if part)


def _cell(
    cell: CellRow, names: Sequence[str], certificates: Sequence[Certificate], notes: Notes
) -> list[str]:
    attack = cell.tried.attack
    mine = [c.metric for c in certificates if c.attack == attack and c.certified]
    counts = "floor" if base_name(attack) == FLOOR else ", ".join(map(escape, mine)) or "not certified"
    worst = cell.worst()
    by, leak = (escape(worst[0]), spread(worst[1])) if worst else (DASH, DASH)
    figures = []
    for name in names:
        figure = cell.figures.get(name)
        shown = figure_or_dash(figure)
        figures.append(shown + notes(f"{name}: {figure.note}") if figure and figure.note else shown)
    queries = ", ".join(f"{escape(oracle)} {count:.0f}" for oracle, count in cell.queries.items()) or "0"
    flags = escape("; ".join(cell.flags)) + notes(cell.reason)
    start = [code(cell.tried.defense), code(attack), *figures, leak, by, counts, queries]
    return [*start, seconds(cell.seconds), flags.strip()]


def _undone(cells: Iterable[CellRow], status: str, title: str) -> str:
    reasons: dict[str, list[str]] = defaultdict(list)
    for cell in cells:
        if cell.status == status:
            reasons[cell.reason].append(f"{code(cell.tried.attack)} on {code(cell.tried.defense)}")
    lines = [f"- {escape(reason)}: {', '.join(names)}\n" for reason, names in sorted(reasons.items())]
    return f"{title}:\n\n{''.join(lines)}" if lines else ""


def _certification(certificates: Sequence[Certificate]) -> str:
    rows = [
        [
            code(c.attack),
            escape(c.metric),
            "yes" if c.certified else f"no: {escape(c.reason)}",
            number(c.win) or DASH,
            number(c.null) or DASH,
        ]
        for c in certificates
    ]
    header = [
        "Attack",
        "Metric",
        "Certified",
        f"Gain on {code(BREAK)}, at least",
        f"Gain on {code(NULL)}, at least",
    ]
    return (
        "Certification: an attack counts where its gain over the floor is above zero on "
        f"{code(BREAK)} (one-sided 95% lower bound) and not above zero on "
        f"{code(NULL)} (99% over all attacks of the game).\n\n"
        f"{markdown_table(header, rows)}"
    )


def figure_or_dash(figure: Figure | None) -> str:
    """The figure with its interval, or a dash."""
    return spread(figure) or DASH
