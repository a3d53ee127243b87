"""Leaderboards: a markdown page, two CSV files and a plot for each board, and an index.

Same results, same bytes, in whatever order they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from privbench.core.errors import UserError
from privbench.core.seeds import seed_list
from privbench.rating.board import Board, make_boards
from privbench.report.figures.pareto import write_pareto
from privbench.report.text import code
from privbench.report.writers.csv import cells_csv, defenses_csv
from privbench.report.writers.markdown import board_markdown
from privbench.report.writers.markdown_table import markdown_table
from privbench.store.artefacts import write_text
from privbench.store.results import Result


def write_leaderboards(results: Iterable[Result], out: Path) -> list[Path]:
    """Write all boards of ``results`` to ``out``; return the files, the index last.

    Raises:
        UserError: there are no results.
        DataError: results contradict each other (two for one cell, different challenges).
    """
    boards = make_boards(results)
    if not boards:
        raise UserError("there are no results to make a leaderboard of. Run something first: privbench run.")
    written: list[Path] = []
    for board in boards:
        texts = {
            f"{board.slug}.md": board_markdown(board),
            f"{board.slug}.csv": defenses_csv(board),
            f"{board.slug}-cells.csv": cells_csv(board),
        }
        for name, text in texts.items():
            write_text(out / name, text)
            written.append(out / name)
        written.append(write_pareto(board, out / f"{board.slug}.png"))
    write_text(out / "README.md", index_markdown(boards))
    return [*written, out / "README.md"]


def index_markdown(boards: Sequence[Board]) -> str:
    """The page that lists all boards."""
    rows = [
        (
            f"[{code(board.key.dataset)}]({board.slug}.md)",
            _model(board),
            board.key.scale,
            str(board.key.protocol),
            str(sum(not row.control for row in board.defenses)),
            str(len({cell.pairing.attack for cell in board.cells})),
            seed_list(board.seeds),
            str(len(board.records)),
        )
        for board in boards
    ]
    header = ("Dataset", "Model", "Scale", "Protocol", "Defenses", "Attacks", "Seeds", "Records")
    return (
        "# Leaderboards\n\n"
        "Defenses are ranked by the most that any certified attack gets out of them. A figure here is a "
        "bound over the attacks that were run, not a proof.\n\n"
        f"{markdown_table(header, rows)}\n"
        "These files are made by `privbench leaderboard` from the records; the same records give the same "
        "bytes. `privbench reproduce boards` makes the records of the boards that come with privbench "
        "again.\n"
    )


def _model(board: Board) -> str:
    unusual = f", {code(board.key.unusual)}" if board.key.unusual else ""
    return f"{code(board.key.model)}{unusual}"
