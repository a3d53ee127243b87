"""One cell's way to its record; what a method raises fails its cells alone, with the place in the record."""

import json
from dataclasses import replace

import pytest
import torch
from sessions import cell_of, session_of, setting_of

from privbench.core import registry
from privbench.core.defense import ImageDefense
from privbench.core.errors import CannotWrite
from privbench.core.records import dump_record, load_record
from privbench.core.registry import register
from privbench.engine.execute import execute, scored_by
from privbench.engine.executors.guess import AttackFailed
from privbench.engine.executors.in_process import InProcess
from privbench.engine.plan import make_plan
from privbench.engine.run import check, run_plan
from privbench.store.artefacts import read_tensors

ATTACK = """\
import sys
import torch
from privbench.games.attribute import AttributeAttack
from privbench.core.errors import CannotWrite
from privbench.core.registry import register

def deeper(count):
    return torch.zeros(2) @ torch.zeros(count + 3)

@register("faulty")
class Faulty(AttributeAttack):
    'Fails.'
    how: str = "exit"

    def guess(self, view, challenge):
        if self.how == "exit":
            sys.exit(3)
        if self.how == "stop":
            raise KeyboardInterrupt
        if self.how == "full":
            raise CannotWrite("disk full")
        if self.how == "recurse":
            return self.guess(view, challenge)
        return deeper(len(challenge))
"""


@pytest.fixture
def faulty(tmp_path):
    (tmp_path / "faulty.py").write_text(ATTACK)
    return lambda how: cell_of("none", f"{tmp_path}/faulty.py:Faulty[how={how}]", "attribute")


@pytest.fixture(params=["in-process", "isolated"])
def either(request, session, isolated):
    """A session whose attacks run here, and one whose attacks run elsewhere."""
    return session if request.param == "in-process" else replace(session, executor=isolated)


def test_an_attack_that_exits_fails_its_cell(either, faulty):
    record = execute(either, faulty("exit")).record
    assert record.status == "failed"
    assert record.reason == "SystemExit: 3 (faulty.py:17 in guess)"


def test_ctrl_c_ends_the_run(session, faulty):
    with pytest.raises(KeyboardInterrupt):
        execute(session, faulty("stop"))


def test_a_full_disk_ends_the_run(session, faulty, monkeypatch):
    with pytest.raises(CannotWrite):
        execute(session, faulty("full"))


def test_the_record_says_where(either, faulty, tmp_path):
    record = execute(either, faulty("raise")).record
    assert record.reason.startswith("RuntimeError: ")
    assert record.reason.endswith("(faulty.py:8 in deeper)")
    assert record.trace[0].startswith("privbench/engine/executors/")
    assert record.trace[-2:] == ("faulty.py:24 in guess", "faulty.py:8 in deeper")
    text = dump_record(record)
    assert str(tmp_path) not in text
    assert str(registry.__file__).removesuffix("privbench/core/registry.py") not in text
    assert load_record(text, "r") == record


def test_an_endless_recursion_leaves_a_short_trace(either, faulty):
    record = execute(either, faulty("recurse")).record
    assert record.reason.startswith("RecursionError")
    assert len(record.trace) == 20


def test_a_place_within_a_library_is_told_from_the_methods_own(session, tmp_path):
    (tmp_path / "conv.py").write_text(
        ATTACK.replace("torch.zeros(2) @ torch.zeros(count + 3)", "torch.nn.Conv2d(1, 1, 3)(torch.zeros(1))")
    )
    attack = registry.create("attack", f"{tmp_path}/conv.py:Faulty[how=raise]")
    record = execute(session, cell_of("none", attack, "attribute")).record
    assert record.reason.endswith("(conv.py:8 in deeper)")
    assert record.trace[-1].startswith("torch/nn/modules/conv.py:")


def test_records_without_a_trace_are_read(session, faulty):
    body = json.loads(dump_record(execute(session, faulty("raise")).record))
    del body["trace"], body["checksum"]
    from privbench.core.records import _digest

    assert load_record(json.dumps({**body, "checksum": _digest(body)}), "old").trace == ()


def test_a_defense_that_exits_fails_its_cells_alone(session, tmp_path):
    (tmp_path / "leaves.py").write_text(
        "import sys\n"
        "from privbench.core.defense import ImageDefense\n"
        "from privbench.core.registry import register\n\n"
        "@register('leaves')\nclass Leaves(ImageDefense):\n    'A test.'\n"
        "    def protect(self, images, keys):\n        sys.exit(3)\n"
    )
    check(session.defender, registry.create("defense", f"{tmp_path}/leaves.py:Leaves"))
    plan = make_plan([f"{tmp_path}/leaves.py:Leaves"], ["blind"], scale="smoke", controls=False)
    plan = replace(plan, cells=tuple(c for c in plan.cells if c.game.registry_name == "attribute"))
    results = run_plan(plan, "cpu", tmp_path / "runs", InProcess(), warn=pytest.fail)
    assert [r.record.reason for r, _ in results] == ["SystemExit: 3 (leaves.py:9 in protect)"]


def test_a_place_in_a_training_process_is_known(monkeypatch, tmp_path):
    import torch

    from privbench.core.training import TrainingConfig, TrainingJob
    from privbench.engine.trace import trace_of
    from privbench.tasks.classes import Classes
    from privbench.training.many import train_many

    monkeypatch.setenv("PRIVBENCH_WORKERS", "2")
    (tmp_path / "remote.py").write_text(
        "from privbench.core.model import Model\n"
        "from privbench.core.registry import register\n\n"
        "@register('remote')\nclass Remote(Model):\n    'A test.'\n"
        "    def build(self, shape, classes):\n        return 1 / 0\n"
        "    def feature_layers(self):\n        return ()\n"
    )
    model = registry.create("model", f"{tmp_path}/remote.py:Remote")
    job = TrainingJob(
        model=model,
        task=Classes(),
        config=TrainingConfig(),
        images=torch.rand(1, 16, 1, 8, 8),
        labels=torch.arange(16) % 10,
        outputs=10,
        seed=0,
    )
    with pytest.raises(ZeroDivisionError) as caught:
        train_many([job, job], "cpu", "processes")
    places, place = trace_of(caught.value, [model])
    assert place == places[-1] == "remote.py:8 in build"


@register("breaks-later")
class BreaksLater(ImageDefense):
    """Protects a few images, and spoils many."""

    def protect(self, images, keys):
        return images / 0 if len(images) > 2 else images


def test_a_defense_that_breaks_later_fails_its_cells(session):
    check(session.defender, BreaksLater())
    record = execute(session, cell_of(BreaksLater(), "blind", "reconstruction")).record
    assert record.status == "failed"
    assert record.reason.startswith("defense 'breaks-later': protect returned NaN")


class Refusing:
    """An executor that plays nothing."""

    def __init__(self, flags=InProcess.flags):
        self.flags = flags

    def start(self):
        """Nothing to start."""

    def guess(self, adversary, challenge):
        raise AttackFailed("was asked to play")


def test_a_kept_guess_is_scored_again_and_not_played_again(session):
    cell = cell_of("pixelate", "window-mean", "reconstruction")
    first = execute(session, cell)
    again = execute(replace(session, executor=Refusing()), cell)
    names = [name for name in type(first.record).model_fields if name != "cost"]
    assert {n: getattr(again.record, n) for n in names} == {n: getattr(first.record, n) for n in names}
    assert again.record.cost.attack_seconds == first.record.cost.attack_seconds
    assert again.record.flags == first.record.flags == InProcess.flags
    for metric, columns in first.columns.items():
        assert all(torch.equal(columns[name], again.columns[metric][name]) for name in columns)
    fresh = cell_of("pixelate[block=14]", "window-mean", "reconstruction")
    assert execute(replace(session, executor=Refusing()), fresh).record.reason == "was asked to play"


def test_a_guess_with_remarks_does_not_pass_for_one_without(either):
    cell = cell_of("pixelate[block=7]", "window-mean", "reconstruction")
    flags = execute(either, cell).record.flags
    assert flags == either.executor.flags
    strict = execute(replace(either, executor=Refusing(flags=())), cell).record
    assert (strict.status == "ok") == (flags == ())
    if flags == ():
        assert execute(replace(either, executor=Refusing()), cell).record.flags == ()


def test_a_record_holds_what_makes_it_checkable(session):
    cell = cell_of("pixelate", "window-mean", "reconstruction")
    record = execute(session, cell).record
    assert record.scored == scored_by(session.setting, cell)
    assert set(record.scored) == {*record.figures, *record.utility, *record.release}
    assert record.threat == {"surfaces": "images", "knowledge": "public prior"}
    assert record.provenance.seeds.keys() >= {"root", "split", "membership", "target", "adversary"}
    assert record.provenance.hashes.keys() >= {"data", "dataset", "split", "attack_code", "defense_code"}
    assert record.provenance.config.keys() >= {"attack", "defense", "game", "model", "task", "dataset"}
    assert load_record(dump_record(record), "r") == record


def test_pictures_are_kept_of_reconstructions_alone(shared_cache):
    session = session_of(setting_of(), shared_cache)
    record = execute(session, cell_of("pixelate", "window-mean", "reconstruction")).record
    kept, _ = read_tensors(shared_cache.folder / "pictures" / f"{record.key}.safetensors")
    assert set(kept) == {"original", "released", "restored"}
    assert torch.equal(
        kept["released"], registry.create("defense", "pixelate").protect(kept["original"], None)
    )
    other = execute(session, cell_of("pixelate", "loss-threshold", "membership")).record
    assert not (shared_cache.folder / "pictures" / f"{other.key}.safetensors").exists()


def test_a_cell_that_does_not_apply_is_a_record_that_says_why(session):
    cell = replace(cell_of("dp-sgd", "window-mean", "reconstruction"), reason="shows nothing")
    record = execute(replace(session, executor=Refusing()), cell).record
    assert (record.status, record.reason, record.figures) == ("not-applicable", "shows nothing", {})
    assert record.provenance.hashes["data"]
