"""``privbench weights``: the pretrained weights that some metrics need."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from privbench.cli.groups import require_command
from privbench.cli.progress import Reporter
from privbench.data import weights
from privbench.report.terminal import terminal

app = typer.Typer(help="Pretrained weights that some metrics need.")


@app.callback(invoke_without_command=True)
def weights_options(context: typer.Context) -> None:
    """Pretrained weights that some metrics need."""
    require_command(context)


@app.command("list")
def list_weights() -> None:
    """List the weight files, what needs them, and whether they are here."""
    table = Table("name", "used by", "MiB", "licence", "state", box=None)
    for file in weights.FILES:
        state = "present" if weights.path(file.name) else f"privbench weights fetch {file.name}"
        table.add_row(file.name, file.used_by, f"{file.size / 2**20:.0f}", file.licence, state)
    console = terminal()
    console.print(table)
    console.print(f"folder: {weights.weights_folder()}", soft_wrap=True)


@app.command("fetch")
def fetch(name: Annotated[str, typer.Argument(help="A name that `privbench weights list` shows.")]) -> None:
    """Download one weight file and check its hash."""
    with Reporter(quiet=False) as reporter:
        path = weights.fetch(name, lambda done, total: reporter.step(done, total, name))
    terminal().print(f"{name}: {path}", soft_wrap=True)
