import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image

from privbench.cli import run as run_command
from privbench.cli.app import app
from privbench.data import weights

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "privbench", "run", "--scale", "smoke", "--quiet", "--out", "runs", *words],
        capture_output=True, text=True, check=False, cwd=folder, env={**os.environ, "COLUMNS": "200"},
    )  # fmt: skip


def test_the_first_block_of_contributing_is_an_attack_that_runs(tmp_path):
    (tmp_path / "mine.py").write_text(BLOCKS[0])
    done = run(tmp_path, "--defense", "pixelate", "--attack", "./mine.py:Entropy[queries=3]")
    assert done.returncode == 0, done.stderr
    assert "entropy[queries=3]" in done.stdout


def test_the_second_block_of_contributing_is_a_defense_that_runs(tmp_path):
    (tmp_path / "mirror.py").write_text(BLOCKS[1])
    done = run(
        tmp_path, "--defense", "./mirror.py:Mirror", "--attack", "window-mean", "--attack", "loss-threshold"
    )
    assert done.returncode == 0, done.stderr
    assert "mirror" in done.stdout


PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("leaderboards/*.md")])
COMMANDS = [
    (path.name, command)
    for path in PAGES
    for line in re.findall(r"^(?: {4}|\$ ).*$", path.read_text(), re.MULTILINE)
    for command in re.findall(r"(?:^| |/)privbench (.*?)(?:&&|$)", line.strip())
    if not line.strip().startswith(("git", "cd"))
]


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """The folder in which the documents' commands run: it holds what they name."""
    (tmp_path / "mine.py").write_text(BLOCKS[0])
    (tmp_path / "mirror.py").write_text(BLOCKS[1])
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "photos" / name / "1.png")
    np.savez(tmp_path / "faces.npz", images=np.zeros((4, 8, 8)), labels=np.arange(4) % 2)
    monkeypatch.chdir(tmp_path)


def test_the_documents_commands_are_found():
    assert {"README.md", "CONTRIBUTING.md", "data.md"} <= {name for name, _ in COMMANDS}
    assert len(COMMANDS) > 12


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_every_command_in_the_documents_is_one_that_runs(examples, monkeypatch, page, command):
    played = []
    # Everything but the work itself: options, selectors, the plan, what is on disk.
    monkeypatch.setattr(run_command, "_execute", lambda *a, **k: played.append("run"))
    monkeypatch.setattr(weights, "fetch", lambda *a: Path())
    words = shlex.split(command, comments=True)
    group = typer.main.get_command(app)
    if words[0] == "leaderboard":
        # Its records are what the runs before it wrote.
        group.commands["leaderboard"].callback = lambda **k: played.append("leaderboard")
    with group.make_context("privbench", words) as context:
        group.invoke(context)
    assert words[0] not in {"run", "leaderboard"} or played == [words[0]]


@pytest.mark.parametrize("path", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target
