"""Where an imported module's file is: Python's rules for packages, without running an import."""

from __future__ import annotations

import importlib.machinery
import os
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from privbench.core.code.module import OWN, PACKAGE, Home, Module, folder_of, is_installed

_SUFFIXES = (".py", *importlib.machinery.EXTENSION_SUFFIXES)
# These either look in folders, as the finder here does, or hold the standard library.
_PYTHONS_OWN = (
    importlib.machinery.PathFinder,
    importlib.machinery.BuiltinImporter,
    importlib.machinery.FrozenImporter,
)

_Place = tuple[str, Home]


class Found(NamedTuple):
    """How far a dotted name leads: the files of its modules, and the parts that are no modules."""

    modules: list[Module]
    places: Sequence[_Place]
    """Where a next part would be looked for: empty after a module that is no package."""
    rest: tuple[str, ...]


class Finder:
    """Finds modules; reads each folder once, so make a new one to see what has changed."""

    def __init__(self) -> None:
        self.foreign: set[str] = set()
        """Top-level names that were looked for, but belong to no file that is followed."""
        self._listings: dict[str, frozenset[str]] = {}

    def find(self, importer: Module, level: int, parts: tuple[str, ...]) -> Found:
        """Follow the dotted name ``parts`` as ``importer`` would with ``level`` leading dots."""
        modules: list[Module] = []
        if level:
            folder = importer.path
            for _ in range(level):
                folder = folder_of(folder)
            places: Sequence[_Place] = [(folder, importer.home)]
            if "__init__.py" in self._names(folder):
                modules.append(Module(_join(folder, "__init__.py"), importer.home))
        else:
            places = self._top(importer.home, parts[0])
        for index, part in enumerate(parts):
            below = self._below(part, places)
            if index == 0 and not level and not importer.home.closed:
                below = self._followed(part, below)
            if not below:
                return Found(modules, places, parts[index:])
            if isinstance(below, Module):
                modules.append(below)
                places = [(folder_of(below.path), below.home)] if below.is_package else []
            else:
                places = below
        return Found(modules, places, ())

    def ancestors(self, module: Module) -> list[Module]:
        """The packages that ``module`` lies in, by its name."""
        folders = module.name.split("/")[:-1]
        inits = ["/".join([*folders[:end], "__init__.py"]) for end in range(1, len(folders) + 1)]
        paths = [_join(module.home.base, init) for init in inits]
        return [Module(path, module.home) for path in paths if Path(path).is_file()]

    def _top(self, home: Home, name: str) -> list[_Place]:
        if name == PACKAGE and home.top != PACKAGE:
            return [(OWN.base, OWN)]
        if home.closed:
            if name == home.top:
                return [(home.base, home)]
            self._note(name)
            return []
        if name in sys.builtin_module_names:
            return []
        beside = [(folder, Home(folder, name, home.beside)) for folder in home.beside]
        if name in sys.stdlib_module_names:
            # A file of this name beside a plugin may hide the standard one.
            return beside
        return beside + [(folder, Home(folder, name, (folder,))) for folder in self._path]

    def _followed(self, name: str, below: Module | list[_Place] | None) -> Module | list[_Place] | None:
        """``below``, or where an editable installation has ``name``; None if installed or nowhere."""
        if isinstance(below, Module):
            if not is_installed(below.path) or below.home.top == PACKAGE:
                return below
        elif own := [place for place in below or () if not is_installed(place[0])]:
            return own
        elif not below and name not in sys.stdlib_module_names and (redirected := _redirected(name)):
            return redirected
        self._note(name)
        return None

    def _note(self, name: str) -> None:
        if name not in sys.stdlib_module_names:
            self.foreign.add(name)

    def _below(self, name: str, places: Sequence[_Place]) -> Module | list[_Place] | None:
        """The module ``name`` in the first of ``places`` with one, else the folders of that name."""
        portions: list[_Place] = []
        for folder, home in places:
            names = self._names(folder)
            if name in names:
                package = _join(folder, name)
                if "__init__.py" in self._names(package):
                    return Module(_join(package, "__init__.py"), home)
                if Path(package).is_dir():
                    portions.append((package, home))
            for suffix in _SUFFIXES:
                if name + suffix in names:
                    return Module(_join(folder, name + suffix), home)
        return portions or None

    def _names(self, folder: str) -> frozenset[str]:
        # Listed, not asked for one by one: some file systems take Shadows.py for shadows.py.
        if folder not in self._listings:
            try:
                self._listings[folder] = frozenset(entry.name for entry in os.scandir(folder))
            except OSError:
                self._listings[folder] = frozenset()
        return self._listings[folder]

    @cached_property
    def _path(self) -> list[str]:
        # An empty entry, as in a notebook, is the current folder.
        return [os.path.realpath(entry) for entry in sys.path]


def _redirected(name: str) -> Module | None:
    """The top-level module ``name`` where a finder other than Python's own knows it."""
    for finder in sys.meta_path:
        if finder in _PYTHONS_OWN or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(name, None)
        if spec is None:
            continue
        if spec.origin and spec.origin.endswith(".py"):
            path = os.path.realpath(spec.origin)
            base = folder_of(folder_of(path) if spec.submodule_search_locations else path)
            return None if is_installed(path) else Module(path, Home(base, name, (base,)))
    return None


def _join(folder: str, name: str) -> str:
    # pathlib takes several times as long, for tens of thousands of names.
    return f"{folder}{os.sep}{name}"
