"""Imports point down the layers only, and in no circle."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import privbench

PACKAGE = Path(privbench.__file__).parent
BLOCKS = {"core", "stats", "data", "tasks", "models", "metrics", "training"}
PLAYED = {*BLOCKS, "games", "surfaces"}
BELOW = {
    "core": set(),
    "stats": {"core"},
    "data": {"core", "stats"},
    "tasks": {"core", "stats", "data"},
    "models": {"core", "stats", "data", "tasks"},
    "metrics": {"core", "stats", "data", "tasks"},
    "training": BLOCKS,
    "games": {*BLOCKS, "surfaces"},
    "surfaces": {*BLOCKS, "games"},
    "attacks": PLAYED,
    "defenses": PLAYED,
    "store": {"core"},
    "engine": {*PLAYED, "store"},
    "rating": {"core", "stats", "games", "store"},
    "report": {"core", "stats", "metrics", "games", "store", "rating"},
    "suites": {*PLAYED, "store", "engine", "rating", "report"},
    "api": {*PLAYED, "store", "engine", "rating", "report", "suites"},
    "cli": {*PLAYED, "store", "engine", "rating", "report", "suites", "api"},
}
"""What each layer may import; ``api`` is one file, which the command line calls."""
FILES = [
    path
    for layer in BELOW
    for path in [*sorted((PACKAGE / layer).rglob("*.py")), PACKAGE / f"{layer}.py"]
    if path.exists()
]


def imported(path: Path) -> Iterator[str]:
    """The names that a file imports, wherever in it, but for types only."""
    tree = ast.parse(path.read_text())
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in node.body
        for inner in ast.walk(part)
    }
    for node in ast.walk(tree):
        if node in typing:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def reached(module: str) -> frozenset[str]:
    """The package's modules that ``module`` imports itself."""
    names = (name if name in MODULES else name.rpartition(".")[0] for name in imported(MODULES[module]))
    return frozenset(name for name in names if name in MODULES and name != module)


def circles(graph: dict[str, frozenset[str]]) -> set[frozenset[str]]:
    """The sets of modules that all import each other, directly or not."""
    below: dict[str, set[str]] = {}
    for start, direct in graph.items():
        seen: set[str] = set()
        ahead = list(direct)
        while ahead:
            module = ahead.pop()
            if module not in seen:
                seen.add(module)
                ahead += graph[module]
        below[start] = seen
    return {frozenset(m for m in seen if start in below[m]) for start, seen in below.items() if start in seen}


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path):
    layer = path.relative_to(PACKAGE).with_suffix("").parts[0]
    for name in imported(path):
        package, _, rest = name.partition(".")
        other = rest.partition(".")[0]
        if package == "privbench" and other in BELOW:
            assert other == layer or other in BELOW[layer], f"{layer} imports {name}"


def test_every_folder_of_the_package_is_a_layer():
    assert {p.parent.name for p in PACKAGE.glob("*/*.py")} <= set(BELOW)
    files = {p.stem for p in PACKAGE.glob("*.py")}
    assert files - {"__init__", "__main__"} <= set(BELOW)


def test_nothing_is_left_of_the_old_house():
    for gone in ("runner", "core/games.py", "report/board.py", "metrics/_resample.py"):
        assert not (PACKAGE / gone).exists()
    for path in MODULES.values():
        assert "privbench.runner" not in path.read_text(), path


def test_no_modules_import_each_other_in_a_circle():
    found = circles({module: reached(module) for module in MODULES})
    assert found == set(), "move what both need into a module below both"


def test_a_circle_is_found_however_long():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": set()}
    assert circles({m: frozenset(n) for m, n in graph.items()}) == {frozenset("abc")}
