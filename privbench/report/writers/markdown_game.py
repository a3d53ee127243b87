"""The part of a board's page that is about one game: every attack, and what certifies it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from privbench.core.controls import BREAK, NULL
from privbench.rating.board import Board
from privbench.rating.cell_rows import CellRow
from privbench.rating.certification import Certificate
from privbench.report.columns.attacks import AttackLine, attack_columns
from privbench.report.legend import game_legend
from privbench.report.text import DASH, code, escape, number
from privbench.report.writers.markdown_table import Notes, lay_out, markdown_table


def game_markdown(board: Board, game: str) -> str:
    """The section."""
    cells = [cell for cell in board.cells if cell.pairing.game == game]
    certificates = [c for c in board.certificates if c.game == game]
    notes = Notes()
    rows = [AttackLine(cell) for cell in cells if cell.status == "ok"]
    parts = [f"## {game.capitalize()} game\n", game_legend(board, game)]
    if rows:
        parts.append(lay_out(attack_columns(board, board.metrics[game]), rows, notes))
    if str(notes):
        parts.append(str(notes))
    parts += [_undone(cells, "failed", "Failed"), _undone(cells, "not-applicable", "Does not apply")]
    if certificates:
        parts.append(_certification(certificates))
    return "\n".join(part for part in parts if part)


def _undone(cells: Iterable[CellRow], status: str, title: str) -> str:
    reasons: dict[str, list[str]] = defaultdict(list)
    for cell in cells:
        if cell.status == status:
            reasons[cell.reason].append(f"{code(cell.pairing.attack)} on {code(cell.pairing.defense)}")
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
