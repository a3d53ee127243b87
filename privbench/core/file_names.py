"""File names for selectors and other text, which may hold anything."""

from __future__ import annotations

import re
from pathlib import Path

from privbench.core.errors import UserError
from privbench.core.hashing import text_hash
from privbench.core.printable import printable


def slug(text: str) -> str:
    """A file name for ``text``: lower case letters, digits, dots, dashes and underscores.

    A short hash tells apart what the plain characters do not.
    """
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-.")
    if plain == text:
        return plain
    return f"{plain[-60:].strip('-.')}-{text_hash(text, 6)}"


def words(text: str) -> str:
    """Only lower case letters and digits of ``text``, with dashes between: to read, not to tell apart."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def short(name: str, most: int = 200) -> str:
    """``name`` if it has at most ``most`` characters, as file systems want it, else its start and a hash."""
    return name if len(name) <= most else f"{name[: most - 10]}-{text_hash(name, 8)}"


def folder_named(given: Path | str, option: str) -> Path:
    """The folder of that name; ``option`` is what it was given as.

    Raises:
        UserError: the name is empty, which would be the current folder, or is no file name.
    """
    text = str(given)
    if not text.strip():
        raise UserError(f"{option} {text!r}: the name is empty. Give a folder, or . for the current one.")
    if "\0" in text or text != printable(text) or "\n" in text:
        raise UserError(
            f"{option} {printable(text)!r}: this cannot be a folder's name here. Use plain characters."
        )
    return Path(given)


def user_path(text: str | Path) -> Path:
    """The path that ``text`` names, with ``~`` and ``~name`` as home folders.

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


def is_file(path: Path) -> bool:
    """Whether there is a file; False also for what no file can be called."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
