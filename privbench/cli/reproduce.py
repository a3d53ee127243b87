"""``privbench reproduce``: a suite, shipped or of one's own, with published figures beside ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from privbench.cli.carrying_out import Hooks, carry_out
from privbench.cli.folders import check_folder
from privbench.cli.progress import Reporter
from privbench.engine.device import check_device
from privbench.suites.running import FinishedSuite, plan_suite, run_suite

if TYPE_CHECKING:
    from privbench.report.results import Results


def reproduce(
    suite: Annotated[
        str, typer.Argument(help="A suite that `privbench list suites` shows, or the path of a TOML file.")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of records, cache and pictures, and of the page SUITE.md.")
    ] = Path("runs"),
    boards: Annotated[
        Path | None,
        typer.Option(help="Where the leaderboards of the results go.", show_default="OUT/leaderboards"),
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="In place of the suite's; repeat for several.", min=0)
    ] = None,
    scale: Annotated[
        Literal["smoke", "small", "paper"] | None, typer.Option(help="In place of the suite's.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A run of the suite, by its name; repeat for several.")
    ] = None,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes CUDA where there is a GPU.")
    ] = "auto",
    cell_timeout: Annotated[
        float | None, typer.Option(help="Seconds of its own that an attack may take.", min=0)
    ] = None,
    in_process: Annotated[
        bool,
        typer.Option(
            "--in-process", help="For debugging: attacks run where the truth is; their records are marked."
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Run a suite; write its page, with published figures beside ours, and leaderboards.

    A call that was interrupted continues where it stopped. A suite is a TOML file; those that are
    shipped in privbench/suites show what it may hold.
    """
    check_device(device)
    planned = plan_suite(suite, seeds=seed or (), scale=scale, only=only or ())
    check_folder(out)
    check_folder(boards or out / "leaderboards")
    finished: list[FinishedSuite] = []

    def work(hooks: Hooks) -> Results:
        finished.append(
            run_suite(
                planned,
                out=out,
                device=device,
                boards=boards or out / "leaderboards",
                in_process=in_process,
                cell_timeout=cell_timeout,
                **hooks,
            )
        )
        return finished[0].results

    carry_out(work, lambda _, __: _print(finished[0]), quiet=quiet, as_json=False)


def _print(finished: FinishedSuite) -> None:
    """Published figures beside ours, and the files."""
    from privbench.suites.columns import comparison_columns

    console = Console(highlight=False)
    columns = [column for column in comparison_columns() if column.console]
    table = Table(*(column.form.heading(column.console, roomy=True) for column in columns), box=None)
    for row in finished.comparisons:
        table.add_row(*(Text(column.form.console(column.read(row), roomy=True)) for column in columns))
    if finished.comparisons:
        console.print(table)
        console.print()
    for path in finished.written:
        console.print(str(path), soft_wrap=True)
