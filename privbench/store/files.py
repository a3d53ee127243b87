"""Finding and reading files that anybody may have put there: bounded, no pipes, devices or folders."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

from privbench.core.errors import CorruptArtefact

TEMPORARY = ".tmp-"
"""How the names of unfinished files begin."""
ASIDE = ".aside"
"""How the names of folders end that stood in the place of files."""


def read_bounded(path: Path, most: int) -> bytes:
    """The content of a regular file of at most ``most`` bytes.

    Raises:
        CorruptArtefact: it is missing, something else than a file, cannot be read, or is larger.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            what = "a folder" if stat.S_ISDIR(found.st_mode) else "a pipe or a device"
            raise CorruptArtefact(f"{path} is {what}, not a file")
        if found.st_size > most:
            raise CorruptArtefact(f"{path} has {found.st_size:,} bytes; at most {most:,} are read")
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise CorruptArtefact(f"{path} cannot be read: {error.strerror or error}") from error


def set_aside(path: Path) -> None:
    """Give a folder that stands in the place of a file another name, so that the file can be written."""
    if path.is_dir() and not path.is_symlink():
        names = (path.with_name(f"{path.name}{ASIDE}{number or ''}") for number in range(100))
        with contextlib.suppress(OSError):
            path.rename(next(name for name in names if not name.exists()))


def record_paths(folder: Path) -> list[Path]:
    """The files of records below ``folder``: a run's, or its folder ``records`` itself or one inside."""
    found = [*folder.rglob("records/*/*.json")]
    if folder.name == "records":
        found += folder.glob("*/*.json")
    elif folder.parent.name == "records":
        found += folder.glob("*.json")
    # A killed run may leave half-written files under temporary names behind.
    return sorted(path for path in found if not path.name.startswith(TEMPORARY))
