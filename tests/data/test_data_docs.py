"""The examples of docs/data.md run as they stand."""

import re
from pathlib import Path

import pytest

from privbench.core.registry import create
from privbench.data.datasets.npz import Npz
from privbench.data.splits import make_split

DOCS = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.fixture
def examples():
    return re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)


def test_the_npz_example(examples, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(examples[0], "docs/data.md", "exec"), {})
    dataset = Npz(path="mine.npz").load()
    assert dataset.class_names == ("cat", "dog")
    assert len(make_split(dataset, 0, "small").candidates) == 88


def test_the_dataset_example(examples, tmp_path):
    path = tmp_path / "my_digits.py"
    path.write_text(examples[1])
    source = create("dataset", f"{path}:MyDigits[largest=4]")
    dataset = source.load()
    assert len(dataset.class_names) == 5
    assert source.content_hash() != create("dataset", f"{path}:MyDigits").content_hash()
    assert len(make_split(dataset, 0, "smoke").test) > 100
