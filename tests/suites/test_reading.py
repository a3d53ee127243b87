"""Suites are read, and what is wrong with one is said with file, table and key."""

from pathlib import Path

import pytest

from privbench.core.errors import UserError
from privbench.core.options import Options
from privbench.suites.reading import SHIPPED, read_suite, shipped

RUN = "title = 'T'\n[[run]]\n"
FIGURE = f"{RUN}[[figure]]\n"

BAD = [
    ("x = [", ["mine.toml is not TOML", "toml.io"]),
    ("title = 'T'", ["mine.toml: nothing to run", "[[run]]"]),
    ("[[run]]", ["mine.toml: the key 'title' is needed"]),
    ("title = 'T'\nrun = []", ["run: [] is not valid: expected one at least"]),
    ("title = 'T'\n[run]\nmodel = 'cnn'", ["Write [[run]]"]),
    ("title = 'T'\nrun = [3]", ["mine.toml, [[run]] 1: expected a table"]),
    ("title = 3\n[[run]]", ["title: 3 is not valid: expected text in quotes"]),
    ("titel = 'T'\n[[run]]", ["unknown key 'titel'", "'title'"]),
    ("title = 'T'\n[defaults]\nsedes = [1]\n[[run]]", ["mine.toml, [defaults]: unknown key 'sedes'", "'seeds'"]),
    (f"{RUN}[[run]]\nepochz = 1", ["mine.toml, [[run]] 2: unknown key 'epochz'", "'epochs'"]),
    (f"{RUN}epochs = '3'", ["[[run]] 1, epochs: '3'", "a whole number"]),
    (f"{RUN}epochs = 0", ["[[run]] 1, epochs: 0", "≥ 1"]),
    (f"{RUN}lr = inf", ["[[run]] 1, lr: inf", "a finite number"]),
    (f"{RUN}controls = 1", ["controls: 1", "true or false"]),
    (f"{RUN}defenses = 'vim'", ["defenses: 'vim'", "a list"]),
    (f"{RUN}defenses = [1]", ["defenses: 1", "text in quotes"]),
    (f"{RUN}scale = 'big'", ["scale: 'big'", "'smoke', 'small' or 'paper'"]),
    (f"{RUN}optimizer = 'sdg'", ["optimizer: 'sdg'", "'sgd', 'adam' or 'st-adam'"]),
    (f"{RUN}seeds = [-1]", ["seeds: -1", "≥ 0"]),
    (f"{RUN}seeds = []", ["seeds: []", "one at least"]),
    (f"{RUN}threads = 0", ["threads: 0", "≥ 1"]),
    (f"{FIGURE}defense = 'vim'\nsource = 'S'", ["[[figure]] 1: the key 'metric' is needed"]),
    (f"{FIGURE}seeds = [1]", ["[[figure]] 1: unknown key 'seeds'"]),
    (f"{FIGURE}defense = 'vim'\nmetric = 'auc'\nsource = 'S'\nvalue = '1'", ["value: '1'", "a number"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD, ids=lambda v: v[-30:] if isinstance(v, str) else "")
def test_what_is_wrong_is_named(written, text, told):
    with pytest.raises(UserError) as found:
        written(text)
    assert str(found.value).startswith("mine.toml")
    for words in told:
        assert words in str(found.value)


def test_text_that_is_no_text_is_no_toml(written, tmp_path):
    (tmp_path / "other.toml").write_bytes(b"title = '\xff'")
    with pytest.raises(UserError, match=r"other\.toml is not TOML"):
        read_suite(tmp_path / "other.toml")


@pytest.mark.parametrize(
    ("suite", "told"),
    [("smoek", "'smoke'"), (Path("/no/x.toml"), "No such file"), (Path("smoke"), "a .toml file")],
)
def test_a_suite_that_is_not_there(suite, told):
    with pytest.raises(UserError, match=told):
        read_suite(suite)


def test_a_run_keeps_options_as_the_command_line_does(written):
    suite = written(f"{RUN}epochs = 3\noptimizer = 'st-adam'\nlr = 1\nimages = 500")
    assert suite.name == "mine"
    assert suite.content.run[0].options == Options(epochs=3, optimizer="st-adam", lr=1.0, images=500)


def test_shipped_suites_are_in_the_package():
    assert {"boards", "smoke", "vim-membership"} <= set(shipped())
    assert {path.parent for path in shipped().values()} == {SHIPPED}
    assert read_suite("smoke").content == read_suite(shipped()["smoke"]).content
