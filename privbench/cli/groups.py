"""What groups of commands share."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout

import typer

from privbench.core.errors import UserError


def require_command(context: typer.Context) -> None:
    """Show the help on standard error and complain where a group is called without a command.

    Raises:
        UserError: no command was given.
    """
    if context.invoked_subcommand is None:
        with redirect_stdout(sys.stderr):
            # Rich prints the help itself and returns nothing.
            sys.stderr.write(context.get_help())
        raise UserError(f"name a command: {context.command_path} COMMAND")
