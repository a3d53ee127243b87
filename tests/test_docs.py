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

from privbench import api
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


NAMES = ("mine.py", "mirror.py", "noisy.py", "bright.py")
"""What CONTRIBUTING calls the files of its examples, in their order."""


@pytest.mark.parametrize(
    ("block", "words", "said"),
    [
        (0, ("--defense", "pixelate", "--attack", "./mine.py:Entropy[queries=3]"), "entropy[queries=3]"),
        (1, ("--defense", "./mirror.py:Mirror", "--attack", "window-mean"), "mirror"),
        (2, ("--defense", "./noisy.py:NoisyEncoder", "--attack", "attribute"), "noisy-encoder"),
        (3, ("--defense", "pixelate", "--attack", "./bright.py:MeanPixel"), "brightness game"),
    ],
)
def test_the_examples_of_contributing_run_as_they_stand(tmp_path, block, words, said):
    assert len(BLOCKS) == len(NAMES)
    (tmp_path / NAMES[block]).write_text(BLOCKS[block])
    done = run(tmp_path, *words)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert "failed" not in done.stdout


def test_an_attack_in_a_game_of_its_own_is_certified(tmp_path):
    (tmp_path / "bright.py").write_text(BLOCKS[3])
    done = run(tmp_path, "--defense", "blur", "--attack", "./bright.py:MeanPixel")
    assert "BROKEN" in done.stdout, done.stdout


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
    for name, block in zip(NAMES, BLOCKS, strict=True):
        (tmp_path / name).write_text(block)
    draw = np.random.default_rng(0)
    for folder in ("photos/cat", "photos/dog", "people"):
        (tmp_path / folder).mkdir(parents=True)
        for index in range(60):
            picture = Image.fromarray(draw.integers(0, 256, (8, 8), dtype=np.uint8))
            picture.save(tmp_path / folder / f"{index}.png")
    rows = [f"{index}.png,{index % 2}" for index in range(60)]
    (tmp_path / "people" / "labels.csv").write_text("\n".join(["file,smiling", *rows]))
    np.savez(tmp_path / "faces.npz", images=np.zeros((4, 8, 8)), labels=np.arange(4) % 2)
    monkeypatch.chdir(tmp_path)


def test_the_documents_commands_are_found():
    assert {"README.md", "CONTRIBUTING.md", "data.md"} <= {name for name, _ in COMMANDS}
    assert len(COMMANDS) > 12


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_every_command_in_the_documents_is_one_that_runs(examples, monkeypatch, page, command):
    played = []
    # Everything but the work itself: options, selectors, the plan, what is on disk.
    monkeypatch.setattr(api, "execute", lambda *a, **k: played.append("run") or api.Results([]))
    monkeypatch.setattr(run_command, "_print", lambda *a: None)
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
