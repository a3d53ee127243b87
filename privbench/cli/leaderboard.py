"""``privbench leaderboard``: records in, tables out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from privbench.cli.folders import check_folder
from privbench.core.errors import CannotWrite


def leaderboard(
    source: Annotated[
        list[Path] | None,
        typer.Option("--from", help="A folder with records; repeat for several.", show_default="runs"),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the tables go.")] = Path("leaderboards"),
) -> None:
    """Write markdown and CSV leaderboards from records: same records, same bytes."""
    check_folder(out)
    from privbench.api import Results, load

    results = sum((load(folder) for folder in source or [Path("runs")]), Results([]))
    try:
        written = results.leaderboard(out)
    except CannotWrite as error:
        why = getattr(error.__cause__, "strerror", None) or error
        raise CannotWrite(f"--out {out}: {why}. Make room or choose another folder.") from error
    console = Console(highlight=False)
    for path in written:
        console.print(str(path), soft_wrap=True)
