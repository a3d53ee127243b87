"""Imports point down the layers only."""

import ast
from pathlib import Path

import pytest

import privbench

PACKAGE = Path(privbench.__file__).parent
BELOW = {
    "core": set(),
    "data": {"core"},
    "metrics": {"core", "data"},
    "models": {"core"},
    "tasks": {"core"},
    "training": {"core", "data", "models", "metrics"},
    "attacks": {"core", "data", "metrics", "models", "tasks", "training"},
    "defenses": {"core", "data", "metrics", "models", "tasks", "training"},
    "runner": {"core", "data", "metrics", "models", "tasks", "training"},
    "report": {"core", "data", "metrics", "models", "tasks", "training", "runner"},
    "cli": {"core", "data", "metrics", "models", "tasks", "training", "runner", "report"},
}
FILES = [p for layer in BELOW for p in sorted((PACKAGE / layer).rglob("*.py"))]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_down(path):
    layer = path.relative_to(PACKAGE).parts[0]
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module:
            modules = (
                [node.module] if node.module != "privbench" else [f"privbench.{a.name}" for a in node.names]
            )
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        for module in modules:
            parts = module.split(".")
            if parts[0] == "privbench" and len(parts) > 1 and parts[1] in BELOW:
                assert parts[1] == layer or parts[1] in BELOW[layer], f"{layer} imports {module}"
