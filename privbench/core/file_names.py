"""File names for selectors and other text, which may hold anything."""

from __future__ import annotations

import re

from privbench.core.hashing import text_hash


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
