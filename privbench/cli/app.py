"""The application: its commands, and how errors reach the user."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from pydantic import ValidationError

import privbench
from privbench.cli import catalogue, data, doctor, interrupt, leaderboard, reproduce, run, weights
from privbench.cli.groups import require_command
from privbench.core.errors import PrivbenchError, UserError
from privbench.core.method import expected
from privbench.report.terminal import error_terminal

app = typer.Typer(
    help="privbench: does a visual-privacy defense protect anything?",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("run")(run.run)
app.command("reproduce")(reproduce.reproduce)
app.command("leaderboard")(leaderboard.leaderboard)
app.command("list")(catalogue.list_methods)
app.command("show")(catalogue.show)
app.command("doctor")(doctor.doctor)
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")

SIGPIPE_CODE = 141
"""What a shell reports for a program that SIGPIPE ended."""

# The parser's own base of errors: typer's public names reach it wherever typer keeps it.
_ParserError: type[Any] = typer.BadParameter.__mro__[2]


def _print_version(value: bool) -> None:
    if value:
        sys.stdout.write(f"privbench {privbench.__version__}\n")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""
    require_command(context)


def run_app() -> None:
    """Run the command line.

    A user's mistake exits with 2, another failure with 1, Ctrl-C with 130, and a reader that went
    away (``| head``) with 141.
    """
    if sys.stdout is None:
        # Closed by the caller (>&-).
        sys.stdout = io.StringIO()
    try:
        code = _exit_code(sys.argv[1:])
    except KeyboardInterrupt:
        interrupt.say()
        code = interrupt.CODE
    interrupt.close()
    sys.exit(code)


def _exit_code(words: Sequence[str]) -> int:
    try:
        return _invoke(words)
    except _ParserError as error:
        return _complain(_sentence(error), 2)
    except UserError as error:
        return _complain(str(error), 2)
    except PrivbenchError as error:
        return _complain(str(error), 1)
    except BrokenPipeError:
        _discard_output()
        return SIGPIPE_CODE
    except OSError as error:
        _discard_output()
        where = error.filename or "cannot write the output"
        return _complain(f"{where}: {error.strerror or error}.", 1)


def _invoke(words: Sequence[str]) -> int:
    command = typer.main.get_command(app)
    code = 0
    try:
        with command.make_context("privbench", [*words]) as context:
            command.invoke(context)
    except typer.Exit as end:
        code = end.exit_code
    except SystemExit as end:
        # Rich's way of saying that the pipe broke.
        if isinstance(end.__context__, BrokenPipeError):
            raise BrokenPipeError from end
        raise
    # Here, where its errors are caught, and not while the interpreter ends.
    sys.stdout.flush()
    return code


def _sentence(error: Any) -> str:
    """The parser's complaint in one line, with where to look."""
    if isinstance(error.__cause__, ValidationError):
        detail = error.__cause__.errors(include_url=False)[0]
        named = detail["type"] == "value_error"
        error.message = expected(detail) if named else f"{detail['input']!r} ({expected(detail)})"
    text = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "privbench"
    end = "" if text.endswith("?") else "."
    return f"{text[:1].lower()}{text[1:]}{end} See: {path} --help"


def _complain(text: str, code: int) -> int:
    with suppress(OSError):
        error_terminal(soft_wrap=True).print(f"privbench: {text}", markup=False)
    return code


def _discard_output() -> None:
    """Send what is still in the buffers nowhere: the interpreter would stumble over it at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
