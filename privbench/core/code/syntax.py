"""Imports and dotted names in the syntax tree of a file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")


class Reference(NamedTuple):
    """A dotted name that an import, or an attribute of an imported package, stands for."""

    level: int
    """The number of leading dots; 0 for an absolute name."""
    parts: tuple[str, ...]
    """The name's parts; the last may be an attribute instead of a module, or ``*``."""
    bound: int
    """How many of the parts the name in the importing file stands for."""


def import_statements(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import of ``tree`` at any depth, and whether only type checkers see it."""
    stack: list[tuple[ast.AST, bool]] = [(tree, False)]
    while stack:
        node, typed = stack.pop()
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, typed
            continue
        hidden = _hidden_branch(node.test) if isinstance(node, ast.If) else ""
        for field in _BODIES:
            # Only statements are looked at: an expression holds no import.
            children = getattr(node, field, None)
            if isinstance(children, list):
                stack += [(child, typed or field == hidden) for child in children]


def _hidden_branch(test: ast.expr) -> str:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return "orelse" if _hidden_branch(test.operand) == "body" else ""
    name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
    return "body" if name == "TYPE_CHECKING" else ""


def references(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Reference]]:
    """The names that ``node`` binds, and what each refers to."""
    for alias in node.names:
        if isinstance(node, ast.Import):
            parts = tuple(alias.name.split("."))
            yield alias.asname or parts[0], Reference(0, parts, len(parts) if alias.asname else 1)
        else:
            parts = (*(node.module.split(".") if node.module else ()), alias.name)
            yield alias.asname or alias.name, Reference(node.level, parts, len(parts))


def literal_imports(tree: ast.Module) -> Iterator[Reference]:
    """``import_module("name")`` and ``__import__("name")``, where the name is written out."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        name = node.args[0].value
        if called in {"import_module", "__import__"} and isinstance(name, str) and name.strip("."):
            parts = tuple(name.lstrip(".").split("."))
            yield Reference(len(name) - len(name.lstrip(".")), parts, len(parts))


def listed_names(tree: ast.Module) -> list[str]:
    """The names in ``__all__``, where it is written out."""
    names: list[str] = []
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if any(isinstance(t, ast.Name) and t.id == "__all__" for t in targets) and isinstance(
            value, ast.List | ast.Tuple
        ):
            names += [e.value for e in value.elts if isinstance(e, ast.Constant) and isinstance(e.value, str)]
    return names


def chain(node: ast.AST) -> tuple[str, ...]:
    """``("a", "b", "c")`` for the expression ``a.b.c``; empty for one that starts at no name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return (node.id, *reversed(attributes)) if isinstance(node, ast.Name) else ()
