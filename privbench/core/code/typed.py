"""Classes and functions that were typed into a notebook: their text, and the global names in it."""

from __future__ import annotations

import ast
import linecache
import symtable
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path, PurePath
from types import CodeType
from typing import NamedTuple

from privbench.core.code.syntax import chain
from privbench.core.errors import UserError

_ATOMS = (bool, int, float, complex, str, bytes, type(None), type(...), Enum, PurePath)
# What these print is all that they are, but for functions and objects in angle brackets in it.
_PRINTED_WHOLE = {
    "annotated_types", "pydantic.fields", "torch.device", "torch.dtype", "types.GenericAlias",
    "types.UnionType", "typing",
}  # fmt: skip


class Typed(NamedTuple):
    """A definition, or a value, that has no file."""

    name: str
    text: str


def is_typed(code: CodeType) -> bool:
    """Whether the text of ``code`` is known, but from no file."""
    return not Path(code.co_filename).is_file() and bool(_lines(code.co_filename))


def definition(name: str, codes: Sequence[CodeType]) -> tuple[str, list[tuple[str, ...]]] | None:
    """The text of the whole statement that defines ``name``, with the global names that it uses.

    Args:
        name: the qualified name of a class or function.
        codes: functions of the class, or the function itself; without any, the last cell with a
            class of this name is taken.

    Returns:
        the text, and every ``(name, attribute, …)`` in it that starts at a global name; None where
        no text is known.
    """
    lines = [lines for code in codes if (lines := _lines(code.co_filename))]
    tree = ast.parse("".join(lines[0])) if lines else None
    if tree is None and not codes:
        tree, lines = _last_cell_with(name.rpartition(".")[2])
    for statement in tree.body if tree else ():
        decorators = getattr(statement, "decorator_list", ())
        start = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
        if codes and not start <= codes[0].co_firstlineno <= (statement.end_lineno or start):
            continue
        if codes or _defines(statement, name.rpartition(".")[2]):
            text = "".join(lines[0][start - 1 : statement.end_lineno])
            return text, _chains(statement, set(_globals(symtable.symtable(text, name, "exec"))))
    return None


def _lines(filename: str) -> list[str]:
    linecache.checkcache(filename)
    return linecache.getlines(filename)


def _last_cell_with(name: str) -> tuple[ast.Module | None, list[list[str]]]:
    for entry in reversed(list(linecache.cache.values())):
        # Without a time of modification: typed, not read from a file.
        if len(entry) == 4 and entry[1] is None and f"class {name}" in "".join(entry[2]):
            tree = ast.parse("".join(entry[2]))
            if any(_defines(statement, name) for statement in tree.body):
                return tree, [entry[2]]
    return None, []


def _defines(statement: ast.stmt, name: str) -> bool:
    return any(isinstance(node, ast.ClassDef) and node.name == name for node in ast.walk(statement))


def _globals(table: symtable.SymbolTable) -> Iterator[str]:
    outermost = table.get_type() == "module"
    for symbol in table.get_symbols():
        # The outermost names are all global; the definition's own is only assigned there.
        if symbol.is_referenced() if outermost else symbol.is_global():
            yield symbol.get_name()
    for child in table.get_children():
        yield from _globals(child)


def _chains(statement: ast.stmt, names: set[str]) -> list[tuple[str, ...]]:
    chains: set[tuple[str, ...]] = {(name,) for name in names}
    chains |= {found for node in ast.walk(statement) if (found := chain(node)) and found[0] in names}
    return sorted(chains)


def constant(user: str, name: str, value: object) -> str:
    """A text that is the same for equal values: of numbers, strings, types, and containers of them.

    Raises:
        UserError: ``value``, which ``user`` finds under ``name``, is of another type.
    """
    if isinstance(value, _ATOMS):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({','.join(constant(user, name, each) for each in value)})"
    if isinstance(value, set | frozenset):
        return f"set({','.join(sorted(constant(user, name, each) for each in value))})"
    if isinstance(value, dict):
        pairs = (f"{constant(user, name, key)}={constant(user, name, each)}" for key, each in value.items())
        return f"dict({','.join(pairs)})"
    kind = type(value)
    known = not _PRINTED_WHOLE.isdisjoint({kind.__module__, f"{kind.__module__}.{kind.__name__}"})
    if known and "<" not in repr(value):
        return repr(value)
    raise UserError(
        f"{user} uses the global {name!r}, a {kind.__name__}, and nothing tells its results from those with "
        f"another value. Make {name!r} a parameter of the class, or save both to a file."
    )
