"""The application: its commands, and how errors reach the user."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from rich.console import Console

import privbench
from privbench.cli import catalogue, doctor, leaderboard, run, weights
from privbench.core.errors import PrivbenchError, UserError

app = typer.Typer(
    help="privbench: does a visual-privacy defense protect anything?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run.run)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("list")(catalogue.list_methods)
app.command("show")(catalogue.show)
app.command("doctor")(doctor.doctor)
app.add_typer(weights.app, name="weights")


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"privbench {privbench.__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


def run_app() -> None:
    """Run the command line; a user's mistake exits with 2, another failure with 1, Ctrl-C with 130."""
    try:
        app()
    except UserError as error:
        _complain(str(error))
        sys.exit(2)
    except PrivbenchError as error:
        _complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        _complain("interrupted. Finished steps are kept; run the same command again to continue.")
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(1)


def _complain(text: str) -> None:
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"privbench: {text}", markup=False)
