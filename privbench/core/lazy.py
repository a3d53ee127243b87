"""Deferred imports, so that the command line answers before torch is loaded."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from typing import Any


class DeferredModule(types.ModuleType):
    """Stands in ``sys.modules`` for a slow module and imports it on the first use of an attribute."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__spec__ = importlib.machinery.ModuleSpec(name, None)

    def __getattr__(self, attribute: str) -> Any:
        name = self.__name__
        if sys.modules.get(name) is self:
            del sys.modules[name]
        module = importlib.import_module(name)
        self.__dict__.update(vars(module))
        return getattr(module, attribute)

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes get the module itself by its name.
        return importlib.import_module, (self.__name__,)


def defer(*names: str) -> None:
    """Make ``import NAME`` free until an attribute of the module is first read.

    Modules that are loaded already are left alone. Only the command line calls this: as a
    library, privbench changes nothing in ``sys.modules``.
    """
    for name in names:
        if name not in sys.modules:
            sys.modules[name] = DeferredModule(name)


def is_loaded(name: str) -> bool:
    """Whether ``name`` has really been imported (a deferred stand-in does not count)."""
    return name in sys.modules and not isinstance(sys.modules[name], DeferredModule)
