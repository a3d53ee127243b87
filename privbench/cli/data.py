"""``privbench data``: what a dataset would read, split and refuse."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from privbench.cli.groups import require_command
from privbench.core.options import Options
from privbench.engine.selection import dataset_source, reader_of
from privbench.report.terminal import terminal

app = typer.Typer(help="Datasets, your own among them.")


@app.callback(invoke_without_command=True)
def data_options(context: typer.Context) -> None:
    """Datasets, your own among them."""
    require_command(context)


@app.command("check")
def check(
    path: Annotated[
        str, typer.Argument(help=r"A folder, an .npz file, or any dataset: orl-faces\[size=92].")
    ],
    scale: Annotated[
        Literal["smoke", "small", "paper"], typer.Option(help="How many images a run would use.")
    ] = "small",
    seed: Annotated[int, typer.Option(help="Of the split.", min=0)] = 0,
    images: Annotated[int | None, typer.Option(help="Images to use, at most.")] = None,
) -> None:
    """Say what a run would read of a dataset, how it would split it, and what it would refuse."""
    source = dataset_source(reader_of(path) or path)
    options = Options.create(images=images)
    from privbench.engine.data_check import data_check

    console = terminal()
    console.print(f"dataset: {source.selector}", soft_wrap=True, markup=False)
    for heading, text in data_check(source, seed, scale, options):
        console.print(f"{heading}: {text}", soft_wrap=True, markup=False)
