"""The examples in docstrings run as they stand."""

import doctest
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import privbench

PACKAGE = Path(privbench.__file__).parent
WITH_EXAMPLES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


def test_there_are_examples():
    assert {"privbench", "privbench.api", "privbench.core.selector"} <= set(WITH_EXAMPLES)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert tried > 0
    assert failed == 0
    assert list(tmp_path.iterdir()) == []


def test_the_package_loads_nothing_slow():
    code = (
        "import sys, privbench; dir(privbench); privbench.__all__\n"
        "slow = {'torch', 'pandas', 'matplotlib', 'sklearn', 'typer', 'pydantic', 'numpy'} & set(sys.modules)\n"
        "assert not slow, slow"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
