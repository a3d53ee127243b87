"""``privbench run``: attacks against defenses, with a table at the end."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from privbench.cli.folders import check_folder
from privbench.cli.progress import Reporter
from privbench.core.errors import CannotWrite, UserError, counted
from privbench.core.records import dump_record
from privbench.engine.device import check_device, resolve_device
from privbench.engine.plan import Plan, make_plan


def run(
    defense: Annotated[
        list[str] | None,
        # The backslash keeps the brackets from being read as markup.
        typer.Option(help=r"A defense: name, name\[param=value], ./file.py:Class, or all."),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help=r"An attack: name, name\[param=value], ./file.py:Class, a family "
            "(membership, reconstruction, feature), or all."
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="A dataset; npz:PATH and imagefolder:PATH read your own.")
    ] = "mnist-5k",
    model: Annotated[str, typer.Option(help="The classifier that is trained through the defense.")] = "cnn",
    seed: Annotated[
        list[int] | None, typer.Option(help="A seed; repeat for several.", show_default="0")
    ] = None,
    scale: Annotated[
        Literal["smoke", "small", "paper"],
        typer.Option(help="Budget: seconds, two CPU cores, or what publications used."),
    ] = "small",
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes CUDA where there is a GPU.")
    ] = "auto",
    out: Annotated[Path, typer.Option(help="Folder of records, cache and pictures.")] = Path("runs"),
    controls: Annotated[
        bool,
        typer.Option(help="Also run the reference rows that leakage and certification are measured by."),
    ] = True,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records as JSON, not a table.")] = False,
) -> None:
    """Play attacks against defenses and print what leaks.

    Options repeat: --defense vim --defense blur --attack lira --attack restoration.
    A run that was interrupted continues where it stopped.
    """
    if not defense:
        raise UserError("name a defense: --defense vim. See: privbench list defenses")
    if not attack:
        raise UserError("name an attack or a family: --attack membership. See: privbench list attacks")
    check_device(device)
    plan = make_plan(defense, attack, dataset, model, seed or [0], scale, controls=controls)
    check_folder(out)
    _execute(plan, resolve_device(device), out, quiet=quiet, as_json=as_json)


def _execute(plan: Plan, device: str, out: Path, *, quiet: bool, as_json: bool) -> None:
    from privbench.engine.run import run_plan
    from privbench.report.figures.galleries import write_galleries
    from privbench.report.figures.roc import write_roc
    from privbench.report.writers.console import print_results

    start = time.perf_counter()
    results, reused = [], 0
    with Reporter(quiet=quiet or as_json) as reporter:
        for result, was_there in run_plan(plan, device, out, reporter.announce, reporter.step, reporter.warn):
            results.append(result)
            reused += was_there
    failed = [r.record for r in results if r.record.status == "failed"]
    if as_json:
        sys.stdout.write("[" + ",\n".join(dump_record(r.record) for r in results) + "]\n")
    else:
        console = Console(highlight=False)
        print_results(results, console)
        try:
            pictures = [*write_galleries(results, out), *write_roc(results, out / "pictures")]
        except CannotWrite as error:
            pictures = []
            reporter.warn(str(error))
        seconds = time.perf_counter() - start
        console.print(
            f"{counted(len(results), 'cell')} ({reused} from earlier runs) in {seconds:.0f} s on {device}."
        )
        console.print(f"records:  {out / 'records'}", soft_wrap=True)
        for picture in pictures:
            console.print(f"picture:  {picture}", soft_wrap=True)
        console.print(
            f"leaderboard: privbench leaderboard --from {out} --out {out / 'leaderboards'}", soft_wrap=True
        )
    if failed:
        reporter.warn(
            f"{counted(len(failed), 'cell')} failed; the records say why. First: {failed[0].reason}"
        )
        raise typer.Exit(1)
