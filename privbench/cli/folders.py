"""Folders that commands write to."""

from __future__ import annotations

import tempfile
from pathlib import Path

import typer

from privbench.core.errors import UserError
from privbench.core.file_names import folder_named


def folder(text: str) -> Path:
    """The parser of options that name a folder.

    Raises:
        BadParameter: the name is empty or cannot be shown.
    """
    try:
        return folder_named(text, "the folder")
    except UserError as error:
        raise typer.BadParameter(str(error).rstrip(".")) from None


def check_folder(out: Path) -> None:
    """See that files can be written below ``out`` before any work is done; leaves no trace.

    Raises:
        UserError: ``out`` is a file, or cannot be written or made.
    """
    try:
        folder = next(path for path in (out, *out.parents) if path.exists())
        if not folder.is_dir():
            raise UserError(f"--out {out}: {folder} is a file. Choose a folder.")
        inner = (path for path in folder.iterdir() if folder == out and path.is_dir())
        for each in (folder, *inner):
            with tempfile.TemporaryFile(dir=each):
                pass
    except (OSError, ValueError) as error:
        raise UserError(
            f"--out {out}: {getattr(error, 'strerror', None) or error}. Choose a folder that can be written."
        ) from error
