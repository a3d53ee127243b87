import os
import subprocess
import sys
from pathlib import Path

import pytest

import privbench

ROOT = Path(privbench.__file__).parent.parent


def run(*words: str, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_shortcuts_lead_to_the_catalogue():
    for name in ("attacks", "defenses", "metrics"):
        assert (ROOT / name).is_symlink()
        assert (ROOT / name).resolve() == (ROOT / "privbench" / name).resolve()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_built_package_runs_from_another_directory(tmp_path, kind):
    run("-m", "build", f"--{kind}", "--outdir", str(tmp_path / "dist"), str(ROOT), cwd=tmp_path)
    package = next((tmp_path / "dist").iterdir())
    run("-m", "pip", "install", "--quiet", "--no-deps", "--target", "site", str(package), cwd=tmp_path)
    path = {"PYTHONPATH": str(tmp_path / "site")}
    assert str(tmp_path) in run("-c", "import privbench; print(privbench.__file__)", cwd=tmp_path, **path)
    words = ("run", "--scale", "smoke", "--defense", "blur", "--attack", "confidence", "--quiet")
    assert "confidence" in run("-m", "privbench", *words, cwd=tmp_path, **path)
