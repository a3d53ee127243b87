"""Unfinished files that killed runs left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from privbench.store.files import TEMPORARY

_FOLDERS = ("records", "cache", "pictures", "leaderboards", "suites")
_YOUNG = 60.0
"""Seconds for which an empty file may be one whose writer has not locked it yet."""


def sweep(out: Path) -> int:
    """Remove unfinished files below ``out`` that nobody is writing; return how many.

    A writer holds a lock on its file until that has its own name, and locks end with their processes.
    """
    return sum(_remove(path) for name in _FOLDERS for path in (out / name).rglob(f"{TEMPORARY}*"))


def _remove(path: Path) -> bool:
    with contextlib.suppress(OSError):
        if path.is_symlink() or not path.is_file():
            return False
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = os.fstat(file.fileno())
            if found.st_size or time.time() - found.st_mtime > _YOUNG:
                path.unlink()
                return True
    return False
