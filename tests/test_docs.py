import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("path", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text()):
        assert (path.parent / target).exists(), target
