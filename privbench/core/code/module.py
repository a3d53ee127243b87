"""A file that can be imported, and what it belongs to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

PACKAGE = "privbench"
_INSTALLED = {"site-packages", "dist-packages"}


class Home(NamedTuple):
    """What a file belongs to, which says where the modules that it imports may be."""

    base: str
    """The folder of its top-level package or module: names of files are relative to it."""
    top: str
    """The name of that top-level package or module."""
    beside: tuple[str, ...]
    """Folders where other top-level modules are looked for before those of ``sys.path``."""

    @property
    def closed(self) -> bool:
        """Whether nothing but the own top-level package is followed: privbench, and what is installed."""
        return self.top == PACKAGE or is_installed(self.base)


class Module(NamedTuple):
    """A Python file, or an extension module, that can be imported."""

    path: str
    home: Home

    @property
    def is_package(self) -> bool:
        """Whether modules can lie below it."""
        return self.path.endswith(f"{os.sep}__init__.py")

    @property
    def name(self) -> str:
        """The file's name, the same wherever it is installed."""
        return self.path[len(self.home.base) :].strip(os.sep).replace(os.sep, "/")


OWN = Home(os.path.realpath(Path(__file__).parents[3]), PACKAGE, ())


def folder_of(path: str) -> str:
    """The folder that the file ``path`` lies in."""
    return path.rpartition(os.sep)[0]


def is_installed(path: str) -> bool:
    """Whether ``path`` belongs to an installed distribution (one that is edited in place does not)."""
    return not _INSTALLED.isdisjoint(Path(path).parts)


def module_at(path: str, name: str = "") -> Module:
    """The file ``path``, imported under ``name``, and where the modules that it imports may be.

    Without a name, or with one that does not fit the path (a plugin's, a script's), its package is
    what the ``__init__.py`` files above it say, and modules are looked for beside it too.
    """
    file = Path(path)
    whole = file.parent if file.name.startswith("__init__.") else file.with_name(file.name.partition(".")[0])
    parts = tuple(name.split("."))
    if whole.parts[-len(parts) :] == parts:
        # Links below the package's folder are kept, as Python does.
        top, folder = parts[0], whole.parents[len(parts) - 1]
        beside = [folder.resolve()]
        file = beside[0] / file.relative_to(folder)
    else:
        file = file.parent.resolve() / file.name
        folder = file.parent
        while (folder / "__init__.py").is_file():
            folder = folder.parent
        top = file.relative_to(folder).parts[0].partition(".")[0]
        beside = list(dict.fromkeys([file.parent, folder]))
    home = Home(str(beside[-1]), top, ())
    return Module(str(file), home if home.closed else home._replace(beside=tuple(map(str, beside))))
