"""Where a class, module or path that is asked about has its code: in a file, or typed into a notebook."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from privbench.core.code.module import PACKAGE, Home, Module, is_installed, module_at
from privbench.core.code.syntax import Reference
from privbench.core.code.typed import Typed, constant, definition, is_typed
from privbench.core.errors import UserError

# What is typed into a notebook imports from ``sys.path`` alone.
_NOTEBOOK = Module("", Home("", "__main__", ()))


class Roots:
    """What the roots given to ``add`` start from.

    ``modules`` are their files, ``typed`` their definitions without a file, ``references`` what these
    refer to in files, and ``foreign`` the top-level names of libraries that they use directly.

    Raises:
        UserError: a root has no file, or a class neither a file nor a text.
    """

    def __init__(self) -> None:
        self.modules: list[Module] = []
        self.typed: set[Typed] = set()
        self.references: list[tuple[Module, Reference]] = []
        self.foreign: set[str] = set()
        self._seen: set[type] = set()

    def add(self, root: Path | type | ModuleType) -> None:
        """Add a Python file, a class with its bases, or a module."""
        if isinstance(root, type):
            self._add_class(root, root.__module__.partition(".")[0])
        elif isinstance(root, ModuleType):
            if not getattr(root, "__file__", None):
                raise UserError(
                    f"the module {root.__name__!r} has no file. Name one that is written in Python."
                )
            self.modules.append(module_at(str(root.__file__), root.__name__))
        elif root.is_file():
            self.modules.append(module_at(os.path.realpath(root)))
        else:
            raise UserError(f"there is no file {str(root)!r}, whose code was asked for. Name a Python file.")

    def _add_class(self, cls: type, own_top: str) -> None:
        for each in cls.__mro__:
            if each in self._seen or self._is_library(each.__module__, own_top):
                continue
            self._seen.add(each)
            if file := _file_of(each):
                self.modules.append(module_at(file, each.__module__))
            else:
                namespace = vars(sys.modules[each.__module__]) if each.__module__ in sys.modules else {}
                self._add_typed(each.__qualname__, _functions(each), namespace)

    def _is_library(self, name: str, own_top: str) -> bool:
        """Whether the module ``name`` is not followed from ``own_top``; notes the library that it is of."""
        top = name.partition(".")[0]
        if top in {own_top, PACKAGE}:
            return False
        if top in sys.stdlib_module_names or top == "builtins":
            return True
        # Some compiled modules have no file, but the library's own has.
        file = _file(name) or _file(top)
        if file is None or not is_installed(file):
            return False
        self.foreign.add(top)
        return True

    def _add_typed(self, name: str, functions: list[FunctionType], namespace: dict[str, Any]) -> None:
        found = definition(name, [function.__code__ for function in functions])
        if found is None:
            raise UserError(
                f"{name} has no source file, and the text that it was typed in is gone: nothing tells "
                f"its results from those of another version. Save it to a file, and name it FILE.py:{name}."
            )
        text, chains = found
        typed = Typed(name, text)
        if typed in self.typed:
            return
        self.typed.add(typed)
        if functions:
            namespace = functions[0].__globals__
        for first, *attributes in chains:
            if first in namespace:
                self._add_value(name, first, attributes, namespace)

    def _add_value(self, user: str, name: str, attributes: list[str], namespace: dict[str, Any]) -> None:
        """Add what the definition ``user`` finds in ``namespace`` under ``name``."""
        value = namespace[name]
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, type):
            self._add_class(value, "__main__")
        elif isinstance(value, ModuleType):
            self._add_module(value.__name__, attributes)
        elif isinstance(value, FunctionType) and (is_typed(value.__code__) or not _file(value.__module__)):
            self._add_typed(name, [value], namespace)
        elif isinstance(value, FunctionType | BuiltinFunctionType):
            self._add_module(value.__module__ or "builtins", [])
        else:
            self.typed.add(Typed(name, constant(user, name, value)))

    def _add_module(self, name: str, attributes: list[str]) -> None:
        if self._is_library(name, "__main__"):
            return
        if file := _file(name):
            self.modules.append(module_at(file, name))
        parts = (*name.split("."), *attributes)
        self.references.append((_NOTEBOOK, Reference(0, parts, len(parts))))


def _file(module: str) -> str | None:
    """The file of a loaded module, if it has one that is there."""
    file = _named_file(module)
    return file if file and Path(file).is_file() else None


def _named_file(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)


def _file_of(cls: type) -> str | None:
    """The file that defines ``cls``, which may be gone; None if it was typed in."""
    file = _named_file(cls.__module__)
    places = {function.__code__.co_filename for function in _functions(cls)}
    # A class typed in, or sent to another process, can name a module that is not its own.
    if not places or (file and any(os.path.realpath(place) == os.path.realpath(file) for place in places)):
        return file
    if any(is_typed(function.__code__) for function in _functions(cls)):
        return None
    there = next((place for place in sorted(places) if Path(place).is_file()), None)
    # A worker process has a script of its own by the name of the one that the class is from.
    return there or (None if cls.__module__ in {"__main__", "__mp_main__"} else file)


def _functions(cls: type) -> list[FunctionType]:
    """The functions written in the body of ``cls``, without what decorators and bases made."""
    unwrapped = [inspect.unwrap(inner) for value in vars(cls).values() if callable(inner := _inner(value))]
    start = f"{cls.__qualname__}."
    return [f for f in unwrapped if isinstance(f, FunctionType) and f.__code__.co_qualname.startswith(start)]


def _inner(value: object) -> object:
    if isinstance(value, staticmethod | classmethod):
        return value.__func__
    return value.fget if isinstance(value, property) else getattr(value, "func", value)
