"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path

from privbench.core.errors import UserError


def expanded(text: str | Path) -> Path:
    """The path with ``~`` and ``~name`` as home folders.

    Raises:
        UserError: nobody has that name, or the text can be no path.
    """
    if "\0" in str(text):
        raise UserError(f"{str(text)!r} can be no path: it holds a NUL character.")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        name = Path(text).parts[0]
        raise UserError(
            f"{str(text)!r}: there is no home folder of {name!r}. If that is a folder's name, write ./{text}"
        ) from None


def is_there(path: Path) -> bool:
    """Whether ``path`` exists; a name that is too long for the file system does not."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for such names
