"""``privbench run``: attacks against defenses, with a table at the end."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from privbench.cli.carrying_out import FailOn, Hooks, carry_out
from privbench.cli.dry_run import print_preview
from privbench.cli.folders import check_folder, folder
from privbench.cli.progress import Reporter
from privbench.cli.reproduce import print_places, suite_work
from privbench.core.errors import CannotWrite, UserError
from privbench.core.options import Options
from privbench.engine.device import check_device
from privbench.engine.plan import make_plan
from privbench.report.terminal import terminal

if TYPE_CHECKING:
    from privbench.report.results import Results


def run(
    context: typer.Context,
    defense: Annotated[
        list[str] | None,
        # The backslash keeps the brackets from being read as markup.
        typer.Option(help=r"A defense: name, name\[param=value], ./file.py:Class, or all."),
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(
            help=r"An attack: name, name\[param=value], ./file.py:Class, a game "
            "(membership, linkage, reconstruction, attribute), or all."
        ),
    ] = None,
    dataset: Annotated[
        str, typer.Option(help="A dataset; npz:PATH and imagefolder:PATH read your own.")
    ] = "mnist-5k",
    model: Annotated[str, typer.Option(help="The network that is trained through the defense.")] = "cnn",
    task: Annotated[str, typer.Option(help="What the network is taught: classes or attributes.")] = "classes",
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
    out: Annotated[
        Path, typer.Option(help="Folder of records, cache and pictures.", parser=folder, metavar="PATH")
    ] = Path("runs"),
    controls: Annotated[
        bool,
        typer.Option(help="Also run the reference rows that leakage and certification are measured by."),
    ] = True,
    optimizer: Annotated[
        str | None, typer.Option(help="Of all trained models, in place of the scale's: sgd, adam, st-adam.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Of their training.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Of their training.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate of their training.")] = None,
    schedule: Annotated[str | None, typer.Option(help="Of the learning rate: cosine, constant.")] = None,
    augment: Annotated[bool | None, typer.Option(help="Train with small shifts, or not.")] = None,
    images: Annotated[int | None, typer.Option(help="Images of the dataset to use, at most.")] = None,
    cell_timeout: Annotated[
        float | None, typer.Option(help="Seconds of its own that an attack may take.", min=0)
    ] = None,
    in_process: Annotated[
        bool,
        typer.Option(
            "--in-process", help="For debugging: attacks run where the truth is; their records are marked."
        ),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Play every cell again and use nothing that earlier runs left.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            help="A TOML file that describes several runs, in place of --defense and --attack. "
            "See: privbench list suites"
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print verdicts and records as JSON, not a table.")
    ] = False,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(
            help="End with code 3 where a defense is BROKEN, or (inconclusive) where any has not passed."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the cells, what is there already, and run nothing.")
    ] = False,
) -> None:
    """Play attacks against defenses and print what leaks.

    Options repeat: --defense vim --defense blur --attack lira --attack restoration.
    A run that was interrupted continues where it stopped. --config describes several runs at once.
    """
    check_device(device)
    if config is not None:
        _refuse_beside_config(context, config)
        check_folder(out)
        of_suite = scale if _is_given(context, "scale") else None
        if dry_run:
            raise UserError("--dry-run goes with --defense and --attack, not with --config.")
        work = suite_work(config, out, device, seed, of_suite, cell_timeout, in_process, force)
        _carry_out(work, out, quiet=quiet, as_json=as_json, fail_on=fail_on)
        if not as_json:
            print_places(config, out)
        return
    if not defense:
        raise UserError("name a defense: --defense vim. See: privbench list defenses")
    if not attack:
        raise UserError("name an attack or a game: --attack membership. See: privbench list attacks")
    plan = make_plan(
        defense,
        attack,
        dataset,
        model,
        seed or [0],
        scale,
        task=task,
        options=Options.create(
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            lr=lr,
            schedule=schedule,
            augment=augment,
            images=images,
        ),
        controls=controls,
    )
    if dry_run:
        print_preview(plan, device, out)
        return
    check_folder(out)
    from privbench.api import execute

    _carry_out(
        lambda hooks: execute(plan, device, out, in_process, cell_timeout, force=force, **hooks),
        out,
        quiet=quiet,
        as_json=as_json,
        fail_on=fail_on,
    )


_BESIDE_CONFIG = {
    "config", "seed", "scale", "device", "out", "cell_timeout", "in_process", "force", "quiet", "as_json",
    "fail_on", "dry_run",
}  # fmt: skip


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_beside_config(context: typer.Context, config: Path) -> None:
    """Refuse options that the file has keys for.

    Raises:
        UserError: one was given.
    """
    for name in context.params:
        if name not in _BESIDE_CONFIG and _is_given(context, name):
            raise UserError(
                f"--{name.replace('_', '-')} and --config exclude each other: {config} says what is run. "
                "Write it there; beside --config there may be --seed and --scale."
            )


def _carry_out(
    work: Callable[[Hooks], Results], out: Path, *, quiet: bool, as_json: bool, fail_on: FailOn | None
) -> None:
    carry_out(
        work,
        lambda results, reporter: _print(results, out, reporter),
        quiet=quiet,
        as_json=as_json,
        fail_on=fail_on,
    )


def _print(results: Results, out: Path, reporter: Reporter) -> None:
    """The tables, and where everything lies."""
    from privbench.report.data_notes import data_notes
    from privbench.report.figures.galleries import write_galleries
    from privbench.report.figures.roc import write_roc
    from privbench.report.writers.console import print_results

    console = terminal()
    print_results(results, console)
    for line in data_notes(results.records):
        console.print(line, soft_wrap=True, markup=False)
    try:
        pictures = [*write_galleries(results, out), *write_roc(results, out / "pictures")]
    except CannotWrite as error:
        pictures = []
        reporter.warn(str(error))
    # Paths may hold brackets, which are no markup, and spaces, which a shell would split at.
    console.print(f"records:  {out / 'records'}", soft_wrap=True, markup=False)
    for picture in pictures:
        console.print(f"picture:  {picture}", soft_wrap=True, markup=False)
    source, target = (shlex.quote(str(path)) for path in (out, out / "leaderboards"))
    console.print(
        f"leaderboard: privbench leaderboard --from {source} --out {target}", soft_wrap=True, markup=False
    )
