"""Paths as people write them, alone and in selectors."""

from __future__ import annotations

import os
import re
from pathlib import Path

from privbench.core.errors import UserError
from privbench.core.file_names import user_path
from privbench.core.selector import Selector, parse_selector

_TAIL = re.compile(r"(?P<path>.+)(?P<params>\[[^\[\]]*=[^\[\]]*\])", re.DOTALL)


def is_there(path: Path) -> bool:
    """Whether ``path`` exists; a name that is too long for the file system does not."""
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for such names


def split_path(text: str) -> Selector:
    """Split ``PATH`` or ``PATH[param=value,…]``; brackets without ``=`` are part of the path.

    So are all where a file or folder of that very name exists.

    >>> split_path("photos[v2]"), split_path("photos[v2][size=32]")
    (Selector(name='photos[v2]', params={}), Selector(name='photos[v2]', params={'size': '32'}))

    Raises:
        UserError: a parameter has another form or is given twice.
    """
    match = _TAIL.fullmatch(text)
    if match is None or _exists(text):
        return Selector(text)
    return Selector(match["path"], parse_selector(f"path{match['params']}").params)


def _exists(text: str) -> bool:
    try:
        return is_there(user_path(text))
    except UserError:
        return False
