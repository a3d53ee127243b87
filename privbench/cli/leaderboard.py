"""``privbench leaderboard``: records in, tables out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from privbench.cli.folders import check_folder
from privbench.core.errors import CannotWrite, CorruptArtefact, UserError


def leaderboard(
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A folder with records; repeat for several.", show_default="runs"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the tables go.")] = Path("leaderboards"),
) -> None:
    """Write markdown and CSV leaderboards from records: same records, same bytes."""
    folders = source or [Path("runs")]
    for folder in folders:
        if next(folder.rglob("records/*/*.json"), None) is None:
            raise UserError(
                f"--from {folder}: no records there. Give a folder that privbench run wrote (--out)."
            )
    check_folder(out)
    from privbench.report.figures.roc import write_roc
    from privbench.report.leaderboard import write_leaderboards
    from privbench.store.results import load_results

    try:
        results = [result for folder in folders for result in load_results(folder)]
    except CorruptArtefact as error:
        raise UserError(
            f"{error}. Delete the file, or run the cell again, then repeat this command."
        ) from error
    try:
        written = [*write_leaderboards(results, out), *write_roc(results, out / "roc")]
    except CannotWrite as error:
        why = getattr(error.__cause__, "strerror", None) or error
        raise CannotWrite(f"--out {out}: {why}. Make room or choose another folder.") from error
    console = Console(highlight=False)
    for path in written:
        console.print(str(path), soft_wrap=True)
