"""``privbench reproduce``, ``run --config`` and ``list suites``."""

import json

import pytest
from test_cli import cli

CONFIG = """
title = "T"
[defaults]
scale = "smoke"
controls = false
[[run]]
defenses = ["pixelate"]
attacks = ["window-mean"]
epochs = 2
"""
SAME = (
    "--defense",
    "pixelate",
    "--attack",
    "window-mean",
    "--no-controls",
    "--epochs",
    "2",
    "--scale",
    "smoke",
)


@pytest.mark.parametrize("words", [["list", "suites"], ["list", "suite"]])
def test_suites_are_listed_without_torch(words):
    done = cli(*words, without_torch=True)
    assert done.returncode == 0, done.stderr
    for name in ("boards", "smoke", "vim-membership"):
        assert name in done.stdout


MISTAKES = [
    (["reproduce"], "missing argument"),
    (["reproduce", "smoek"], "'smoke'"),
    (["reproduce", "no.toml"], "no.toml cannot be read: No such file"),
    (["reproduce", "bad.toml"], "bad.toml, [[run]] 1, attacks: unknown attack 'lria'"),
    (["reproduce", "smoke", "--seed", "-1"], "seed"),
    (["reproduce", "smoke", "--scale", "big"], "small"),
    (["reproduce", "smoke", "--out", "bad.toml"], "--out bad.toml"),
    (["run", "--config", "bad.toml"], "bad.toml, [[run]] 1, attacks: unknown attack 'lria'"),
    (["run", "--config", "good.toml", "--defense", "vim"], "--defense and --config exclude each other"),
    (["run", "--config", "good.toml", "--attack", "lira"], "--attack and --config exclude each other"),
    (["run", "--config", "good.toml", "--epochs", "2"], "--epochs and --config exclude each other"),
    (["run", "--config", "good.toml", "--dataset", "mnist-5k"], "--dataset and --config exclude each other"),
    (["run", "--config", "good.toml", "--no-controls"], "--controls and --config exclude each other"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "expected"), MISTAKES, ids=lambda v: " ".join(v) if isinstance(v, list) else ""
)
def test_mistakes_exit_with_2_and_leave_nothing_behind(words, expected, tmp_path):
    (tmp_path / "good.toml").write_text(CONFIG)
    (tmp_path / "bad.toml").write_text(CONFIG.replace("window-mean", "lria"))
    done = cli(*words, cwd=tmp_path, without_torch=True)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.toml", "good.toml"]


def without_cost(text):
    return [
        {k: v for k, v in record.items() if k not in {"cost", "checksum"}}
        for record in json.loads(text)["records"]
    ]


def test_a_file_gives_the_records_of_the_same_command_line(tmp_path):
    (tmp_path / "good.toml").write_text(CONFIG)
    one = cli("run", "--config", "good.toml", "--out", "one", "--in-process", "--json", cwd=tmp_path)
    two = cli("run", *SAME, "--out", "two", "--in-process", "--json", cwd=tmp_path)
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    assert without_cost(one.stdout) == without_cost(two.stdout) != []

    again = cli("reproduce", "good.toml", "--out", "one", "--in-process", "--quiet", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "1 cell (1 from earlier runs)" in again.stdout
    assert "one/suites/good.md" in again.stdout
    assert (tmp_path / "one/suites/good.md").is_file()
    assert (tmp_path / "one/leaderboards/README.md").is_file()
    assert again.stderr == ""
