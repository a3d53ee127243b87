"""What libraries warn of is a flag of the record, and what attacks say is bounded and cannot act on a terminal."""

import json
import os
import subprocess
import sys

import pytest

CODE = """\
import sys, warnings
import torch
from privbench import ImageDefense, MembershipAttack, register


@register("noisy-fit")
class NoisyFit(ImageDefense):
    '''Warns while it is fitted and when it protects.'''

    def protect(self, images, keys):
        warnings.warn("the images are small")
        return images

    def fit(self, private, public, trainer):
        warnings.warn("the fit did not converge")
        return super().fit(private, public, trainer)


@register("talker")
class Talker(MembershipAttack):
    '''Says much.'''
    how: str = "warns"

    def guess(self, view, challenge):
        if self.how == "warns":
            for n in range(30):
                warnings.warn(f"lbfgs failed to converge\\x1b[2J ({n % 3})\\nmore")
            warnings.warn("old", DeprecationWarning)
        if self.how == "log":
            view.log["loss"] = [1e6 - n for n in range(100_001)]
            view.log["x\\x1b[31m" * 100] = [1.0]
        if self.how == "curves":
            for n in range(100):
                view.log[f"loss-{n}"] = [1.0]
        if self.how == "raises":
            raise ValueError("\\x1b[2J\\x9b31m" + "long " * 100_000)
        return torch.arange(len(challenge)).float()
"""
HOW = ["warns", "log", "curves", "raises"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("talk")
    (folder / "talk.py").write_text(CODE)
    attacks = [word for how in HOW for word in ("--attack", f"./talk.py:Talker[how={how}]")]
    done = subprocess.run(
        [
            sys.executable, "-m", "privbench", "run", "--defense", "./talk.py:NoisyFit", "--defense", "none", *attacks,
            "--no-controls", "--model", "mlp", "--scale", "smoke", "--quiet", "--out", "runs",
        ],
        capture_output=True, check=False, cwd=folder, env={**os.environ, "COLUMNS": "150", "NO_COLOR": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    files = sorted((folder / "runs" / "records").rglob("*.json"))
    records = [json.loads(path.read_text()) for path in files]
    return done, files, {(r["cell"]["defense"], r["cell"]["attack"]): r for r in records}


def of(made, how, defense="none"):
    return made[2][defense, "talker" if how == "warns" else f"talker[how={how}]"]


def test_nothing_of_it_reaches_the_terminal(made):
    done = made[0]
    text = (done.stdout + done.stderr).decode()
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "Warning:" not in done.stderr.decode()
    assert [line for line in done.stderr.decode().splitlines() if not line.startswith("privbench: ")] == []


def test_warnings_are_flags_once_each(made):
    flags = [flag for flag in of(made, "warns")["flags"] if flag.startswith("warned")]
    assert flags == [f"warned: UserWarning: lbfgs failed to converge\\x1b[2J ({n})" for n in range(3)]
    assert not any(flag.startswith("warned") for flag in of(made, "log")["flags"])


@pytest.mark.parametrize("how", ["warns", "log"])
def test_what_a_fit_warned_of_is_on_every_record_of_the_defense(made, how):
    flags = of(made, how, "noisy-fit")["flags"]
    assert "warned: UserWarning: the fit did not converge" in flags
    assert "warned: UserWarning: the images are small" in flags


def test_logs_are_bounded_and_keep_both_ends(made):
    log = of(made, "log")["log"]
    assert len(log["loss"]) <= 2000
    assert (log["loss"][0], log["loss"][-1]) == (1e6, 1e6 - 100_000)
    assert all(len(name) <= 100 and "\x1b" not in name for name in log)
    failed = of(made, "curves")
    assert failed["status"] == "failed"
    assert "100 curves; at most 64" in failed["reason"]


def test_reasons_are_bounded(made):
    failed = of(made, "raises")
    assert failed["reason"].startswith("ValueError: \\x1b[2J\\x9b31mlong")
    assert len(failed["reason"]) <= 2000


def test_records_are_small(made):
    assert max(path.stat().st_size for path in made[1]) < 200_000


def test_the_instruction_set_is_recorded(made):
    import torch

    assert torch.backends.cpu.get_cpu_capability() in of(made, "warns")["provenance"]["instructions"]


@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_weights_of_another_instruction_set_are_not_taken_for_ones_own(capability):
    code = (
        "from privbench.core.registry import create\n"
        "from privbench.engine.setting import Setting\n"
        "from privbench.engine.defender import Defender\n"
        "from privbench.engine.provenance import instructions\n"
        "from privbench.store.cache import Cache\n"
        "from pathlib import Path\n"
        "made = [create(k, n) for k, n in (('dataset', 'mnist-5k'), ('model', 'mlp'), ('task', 'classes'))]\n"
        "defender = Defender(Setting(*made, 0, 'smoke', 'cpu'), Cache(Path('/x'), print), lambda *_: None)\n"
        "print(instructions(), defender._target_path(create('defense', 'none')).name)\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, **extra},
        ).stdout
        for extra in ({}, {"ATEN_CPU_CAPABILITY": capability})
    }  # fmt: skip
    if len({line.split()[0] for line in found}) == 1:
        pytest.skip("this machine has no other instruction set")
    assert len({line.split()[1] for line in found}) == 2
