"""Files of users' own methods: loaded by their path, under a name that is the same in every process."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from privbench.core.errors import UserError

_PREFIX = "privbench_plugin_"
_LOADED: dict[Path, ModuleType] = {}


def loaded_files() -> tuple[Path, ...]:
    """The files that were loaded in this process, in order."""
    return tuple(_LOADED)


def load_file(path: Path | str) -> ModuleType:
    """The module of a file, run once a process; its neighbours can be imported from it.

    Raises:
        UserError: it cannot be read as Python code, or fails while it runs.
    """
    path = Path(path).resolve()
    if path in _LOADED:
        return _LOADED[path]
    name = f"{_PREFIX}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"'{path}' cannot be read as Python code.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        # Last, so that a file's neighbours hide nothing that is installed.
        sys.path.append(str(path.parent))
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise UserError(f"'{path}' failed while it was read: {_failure(path, error)}") from error
    _LOADED[path] = module
    return module


def registered_classes(path: Path) -> list[str]:
    """The classes below ``@register`` in a file, read without running it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        and any("register" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]


def _failure(path: Path, error: BaseException) -> str:
    """``file:line: message`` for what went wrong while the file at ``path`` was read."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or path}:{error.lineno}: {type(error).__name__}: {error.msg}"
    frames = traceback.extract_tb(error.__traceback__)
    line = next((frame.lineno for frame in reversed(frames) if frame.filename == str(path)), None)
    where = f"{path}:{line}" if line else str(path)
    return f"{where}: {type(error).__name__}: {error}"
