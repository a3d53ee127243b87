"""What an attack does to its process stays there: each fault is one cell's record, and the others' figures stand."""

import json
from pathlib import Path

import pytest

from privbench.api import run
from privbench.core.records import load_record

ROGUE = """\
import ctypes, os, signal, sys, time
import torch
from privbench import Attack, Knowledge, MembershipAttack, register


class Unprintable(Exception):
    def __str__(self):
        raise ValueError("no text")


@register("rogue")
class Rogue(MembershipAttack):
    'Does what it must not.'
    how: str = "fine"

    def guess(self, view, challenge):
        guess = torch.zeros(len(challenge))
        if self.how == "default-dtype":
            torch.set_default_dtype(torch.float64)
        if self.how == "auxiliary":
            view.auxiliary.images.fill_(0.5)
            view.auxiliary.labels.zero_()
            challenge.images.zero_()
        if self.how == "chdir":
            os.chdir("/")
            os.environ["PRIVBENCH_WORKERS"] = "nonsense"
        if self.how == "seed":
            torch.manual_seed(1)
            torch.use_deterministic_algorithms(True)
        if self.how == "monkeypatch":
            torch.Tensor.argmax = lambda *a, **k: 1 / 0
        if self.how == "exit":
            os._exit(0)
        if self.how == "sys-exit":
            sys.exit(0)
        if self.how == "crash":
            ctypes.string_at(0)
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "surrogate":
            raise RuntimeError("\\udc80 lone")
        if self.how == "unprintable":
            raise Unprintable
        if self.how == "generator-exit":
            raise GeneratorExit("left")
        if self.how == "interrupt":
            raise KeyboardInterrupt
        if self.how == "slow":
            time.sleep(60)
        if self.how == "list":
            return [0.0] * len(challenge)
        if self.how == "nan":
            return guess * float("nan")
        if self.how == "log":
            view.log["loss"] = "falls"
        return guess


@register("blindfolded")
class Blindfolded(Attack):
    'Declares nothing and takes what it can.'
    games = frozenset({"reconstruction"})
    knowledge = frozenset()
    what: str = "auxiliary"

    def guess(self, view, challenge):
        if self.what == "auxiliary":
            view.auxiliary
        if self.what == "simulate":
            view.simulate(torch.zeros(1, 1, 28, 28))
        if self.what == "shadows":
            view.shadows(None, 2)
        if self.what == "known-pairs":
            view.known_pairs(1)
        if self.what == "protect":
            view.protect(torch.zeros(1, 1, 28, 28))
        if self.what == "scores":
            view.scores(torch.zeros(1, 1, 28, 28))
        if self.what == "released":
            view.released
        if self.what == "challenge":
            challenge.released
        if self.what == "deployment":
            view.deployment
        if self.what == "port":
            view.port.ask("scores", {"inputs": torch.zeros(1, 1, 28, 28)})
        if self.what == "port-shadows":
            from privbench import LabelledImages
            view.port.shadows(LabelledImages(torch.zeros(4, 1, 28, 28), torch.zeros(4).long()), 2)
        return torch.zeros(len(challenge), 1, 28, 28)
"""
HARMLESS = ["default-dtype", "auxiliary", "chdir", "seed", "monkeypatch"]
FAILING = {
    "exit": r"ended without an answer: exit code 0",
    "sys-exit": r"SystemExit: 0 \(rogue\.py:\d+ in guess\)",
    "crash": r"ended without an answer: killed by signal 11",
    "kill": r"killed by signal 9 \(SIGKILL\), perhaps for lack of memory",
    "surrogate": r"RuntimeError: .*dc80 lone",
    "unprintable": r"Unprintable: \(an error whose text cannot be made\)",
    "generator-exit": r"GeneratorExit: left",
    "interrupt": r"KeyboardInterrupt",
    "slow": r"took more than 2 s \(--cell-timeout\)",
    "list": r"the guess is a list; expected a tensor",
    "nan": r"the guess holds NaN",
    "log": r"log 'loss' is no list of numbers",
}


@pytest.fixture(scope="module")
def rogue(tmp_path_factory):
    path = tmp_path_factory.mktemp("plugins") / "rogue.py"
    path.write_text(ROGUE)
    return path


@pytest.fixture(scope="module")
def results(rogue, tmp_path_factory):
    """One run: every rogue, then an attack that would feel it."""
    out = tmp_path_factory.mktemp("out")
    attacks = [f"{rogue}:Rogue[how={how}]" for how in [*HARMLESS, *FAILING]]
    found = run("vim", [*attacks, "rmia"], scale="smoke", out=out, controls=False, cell_timeout=2)
    return {record.cell.attack: record for record in found.records}, out


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    (record,) = run(
        "vim", "rmia", scale="smoke", out=tmp_path_factory.mktemp("alone"), controls=False
    ).records
    return record


@pytest.mark.parametrize("how", HARMLESS)
def test_what_an_attack_changes_ends_with_it(results, how):
    assert results[0][f"rogue[how={how}]"].status == "ok"


@pytest.mark.parametrize("how", FAILING)
def test_how_an_attack_ends_is_its_cells_record(results, how):
    import re

    record = results[0][f"rogue[how={how}]"]
    assert record.status == "failed"
    assert re.search(FAILING[how], record.reason), record.reason
    record.reason.encode()


def test_the_figures_of_the_other_attacks_stand(results, alone):
    assert results[0]["rmia"].figures == alone.figures
    assert results[0]["rmia"].utility == alone.utility


def test_every_record_is_where_it_belongs(results):
    files = list((results[1] / "records").rglob("*.json"))
    assert len(files) == len(results[0])
    for path in files:
        load_record(path.read_text(), path.name)


def test_a_damaged_cache_of_an_earlier_attack_does_not_reach_a_clean_run(results, alone, rogue):
    (again,) = run("vim", "rmia", scale="smoke", out=results[1], controls=False).records
    assert again.figures == alone.figures


ABSENT = {
    "auxiliary": "add Knowledge.PUBLIC_PRIOR to `knowledge`",
    "simulate": "add Knowledge.PUBLIC_PRIOR",
    "shadows": "add Knowledge.PUBLIC_PRIOR",
    "known-pairs": "add Knowledge.KNOWN_PAIRS",
    "protect": "does not declare the surface 'protect': add it to `needs`",
    "scores": "does not declare the surface 'scores': add it to `needs`",
    "released": "add the one that it reads to `needs`",
    "challenge": "add the surface that it reads to `needs`",
    "deployment": "a view has no attribute 'deployment'",
    "port": "is not declared",
    "port-shadows": "may not have 2 shadow models",
}


@pytest.fixture(scope="module")
def blindfolded(rogue, results):
    attacks = [f"{rogue}:Blindfolded[what={what}]" for what in ABSENT]
    found = run("vim", attacks, scale="smoke", out=results[1], controls=False)
    return {record.cell.attack: record for record in found.records}


@pytest.mark.parametrize("what", ABSENT)
def test_what_was_not_declared_is_absent(blindfolded, what):
    default = "" if what == "auxiliary" else f"[what={what}]"
    record = blindfolded[f"blindfolded{default}"]
    assert record.status == "failed"
    assert ABSENT[what] in record.reason
    assert record.threat == {"surfaces": "none", "knowledge": "ciphertext only"}
    assert record.queries == {}


def test_recorded_seeds_are_those_that_were_used(alone):
    import torch

    from privbench.core.registry import create
    from privbench.data.splits import make_split, membership
    from privbench.engine import seeds

    recorded = alone.provenance.seeds
    split = make_split(create("dataset", "mnist-5k").load(), 0, "smoke")
    assert recorded["split"] == split.seed
    assert recorded["membership"] == membership(len(split.candidates), 0)[1]
    assert recorded["adversary"] == seeds.adversary(0, "membership", "rmia")
    assert {"target", "defender-key", "shown", "judge", "shadows", "bootstrap"} <= set(recorded)
    mask = torch.randint(
        0, 2, (len(split.candidates),), generator=torch.Generator().manual_seed(recorded["membership"]),
        dtype=torch.int8,
    ).bool()  # fmt: skip
    assert torch.equal(mask, membership(len(split.candidates), 0)[0])


def test_a_record_of_a_run_in_process_is_marked(tmp_path):
    (record,) = run(
        "vim", "window-mean", scale="smoke", out=tmp_path, controls=False, in_process=True
    ).records
    assert any(flag.startswith("in-process") for flag in record.flags)
    assert json.loads(next(Path(tmp_path).rglob("records/*/*.json")).read_text())["flags"] == list(
        record.flags
    )


BRIEF = '''
from privbench import AttributeAttack, register
import torch

@register("brief")
class Brief(AttributeAttack):
    """Here today."""
    needs = frozenset()

    def guess(self, view, challenge):
        return torch.zeros(len(challenge.released), len(challenge.targets), dtype=torch.int64)
'''


def test_a_plugin_whose_file_has_gone_does_not_harm_the_next_attack(tmp_path):
    file = tmp_path / "brief.py"
    file.write_text(BRIEF)
    (brief,) = run("vim", f"{file}:Brief", scale="smoke", out=tmp_path / "a", controls=False).records
    file.unlink()
    (record,) = run("vim", "window-mean", scale="smoke", out=tmp_path / "b", controls=False).records
    assert (brief.cell.attack, record.status) == ("brief", "ok")
