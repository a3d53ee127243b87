"""``privbench leaderboard``: records in, tables out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from privbench.cli.folders import check_folder, folder
from privbench.core.errors import CannotWrite, UserError, counted
from privbench.report.terminal import error_terminal, terminal


def leaderboard(
    source: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="A folder of runs, or of records; repeat for several.",
            show_default="runs",
            parser=folder,
            metavar="PATH",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Where the tables go.", show_default="runs/leaderboards", parser=folder, metavar="PATH"
        ),
    ] = None,
) -> None:
    """Write markdown and CSV leaderboards from records: same records, same bytes.

    Files that are damaged are named and left out; the exit code is then 2.
    """
    target = out or Path("runs") / "leaderboards"
    check_folder(target)
    from privbench.api import Results, load

    told: list[str] = []
    results = sum((load(each, told.append) for each in source or [Path("runs")]), Results([]))
    console, complaints = terminal(), error_terminal()
    for text in told:
        complaints.print(f"privbench: {text}. It is left out.", markup=False, soft_wrap=True)
    if len(results):
        try:
            written = results.leaderboard(target)
        except CannotWrite as error:
            why = getattr(error.__cause__, "strerror", None) or error
            raise CannotWrite(f"--out {target}: {why}. Make room or choose another folder.") from error
        for text in results.remarks:
            complaints.print(f"privbench: warning: {text}", markup=False, soft_wrap=True)
        for path in written:
            console.print(str(path), soft_wrap=True)
    if told:
        raise UserError(
            f"{counted(len(told), 'damaged file')}. Delete them, or run their cells again, then repeat this."
        )
