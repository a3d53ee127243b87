"""Packages that bring methods: one that cannot be imported, or hides behind another's name, is told and harms nothing."""

import os
import subprocess
import sys

import pytest

GOOD = """
import torch
from privbench import MembershipAttack, register

@register("good")
class Good(MembershipAttack):
    '''Guesses nothing. \\x1b[31mRed\\x9b31m.'''

    def guess(self, view, challenge):
        return torch.arange(len(challenge)).float()
"""
METRIC = """
import torch
from privbench import MeanMetric, register

@register("raising")
class Raising(MeanMetric):
    '''Cannot.'''
    subject = "membership"

    def values(self, truth, guess, context):
        raise ZeroDivisionError("so much\\x1b[2J for that")
"""
PACKAGES = {
    "goodpack": ({"attacks": {"good": "goodpack:Good"}}, GOOD),
    "badpack": (
        {
            "attacks": {"bad": "badpack:Bad"},
            "metrics": {"bad-metric": "badpack:Bad"},
            "surfaces": {"bad-surface": "badpack:Bad"},
            "games": {"bad-game": "badpack:Bad"},
            "datasets": {"bad-data": "badpack:Bad"},
        },
        "import no_such_module_at_all",
    ),
    "exitpack": ({"defenses": {"leaves": "exitpack:Leaves"}}, "raise SystemExit(3)"),
    "shadowpack": ({"attacks": {"lira": "shadowpack:Good", "good": "shadowpack:Good"}}, GOOD),
    "raisingpack": ({"metrics": {"raising": "raisingpack:Raising"}}, METRIC),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder of installed packages."""
    folder = tmp_path_factory.mktemp("site")
    for name, (groups, code) in PACKAGES.items():
        (folder / f"{name}.py").write_text(code)
        info = folder / f"{name}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        lines = [
            f"[privbench.{g}]\n" + "\n".join(f"{n} = {v}" for n, v in e.items()) for g, e in groups.items()
        ]
        (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def cli(site, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))

    def call(*words):
        return subprocess.run(
            [sys.executable, "-m", "privbench", *words], capture_output=True, text=True, check=False, cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "400", "NO_COLOR": "1"},
        )  # fmt: skip

    return call


def test_the_list_names_what_cannot_be_used_with_package_and_reason(cli):
    done = cli("list")
    assert done.returncode == 0, done.stderr
    for kind in ("attack 'bad'", "metric 'bad-metric'", "surface 'bad-surface'", "game 'bad-game'"):
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"note: {kind}")]
        assert "package badpack 1.2" in line
        assert "no_such_module_at_all" in line
    assert "note: defense 'leaves' of the package exitpack 1.2 is left out" in done.stdout
    assert (
        "note: attack 'lira' is that of privbench itself; the one of shadowpack 1.2 is shadowed"
        in done.stdout
    )
    assert "note: attack 'good' is that of the package goodpack 1.2; the one of shadowpack 1.2" in done.stdout
    assert "loss-threshold" in done.stdout
    assert "\\x1b[31mRed\\x9b31m" in done.stdout
    assert "\x1b" not in done.stdout
    assert "\x9b" not in done.stdout


def test_the_doctor_names_them_too(cli):
    done = cli("doctor")
    assert done.returncode == 0, done.stderr
    assert "badpack 1.2" in done.stdout
    assert "shadowed" in done.stdout


def test_one_that_was_asked_for_is_refused_with_its_package(cli):
    done = cli("run", "--defense", "vim", "--attack", "bad")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "package badpack 1.2" in line


def test_a_run_goes_on_without_them_and_says_so(cli):
    done = cli(
        "run", "--defense", "noise", "--attack", "good", "--attack", "loss-threshold", "--no-controls", "--model", "mlp",
        "--scale", "smoke", "--quiet",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "metric 'bad-metric' of the package badpack 1.2 is left out" in done.stderr
    assert "attack 'good' is that of the package goodpack 1.2" in done.stderr
    assert "'lira'" not in done.stderr
    assert "metric-failed: raising" in done.stdout
    found = cli(
        "run",
        "--defense",
        "noise",
        "--attack",
        "good",
        "--no-controls",
        "--model",
        "mlp",
        "--scale",
        "smoke",
        "--json",
    ).stdout
    assert "failed: ZeroDivisionError: so much\\\\x1b[2J for that (raisingpack.py:11 in values)" in found
    assert '"auc"' in found
