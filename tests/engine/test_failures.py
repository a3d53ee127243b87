"""What a method raises fails its cells, with the place in the record; Ctrl-C ends the run."""

import json

import pytest

from privbench.core import registry
from privbench.core.records import dump_record, load_record
from privbench.core.threat import Game
from privbench.runner.execute import execute
from privbench.runner.plan import PlannedCell, make_plan
from privbench.runner.run import _check, run_plan

ATTACK = """\
import sys
import torch
from privbench.core.attack import FeatureAttack
from privbench.core.registry import register

def deeper(count):
    return torch.zeros(2) @ torch.zeros(count + 3)

@register("faulty")
class Faulty(FeatureAttack):
    'Fails.'
    how: str = "exit"

    def guess(self, view, challenge):
        if self.how == "exit":
            sys.exit(3)
        if self.how == "stop":
            raise KeyboardInterrupt
        if self.how == "recurse":
            return self.guess(view, challenge)
        return deeper(len(challenge))
"""


@pytest.fixture
def faulty(tmp_path):
    (tmp_path / "faulty.py").write_text(ATTACK)
    return lambda how: PlannedCell(
        registry.create("defense", "none"),
        registry.create("attack", f"{tmp_path}/faulty.py:Faulty[how={how}]"),
        Game.FEATURE,
        None,
    )


def test_an_attack_that_exits_fails_its_cell(stage, faulty):
    record = execute(stage, faulty("exit")).record
    assert record.status == "failed"
    assert record.reason == "SystemExit: 3 (faulty.py:16 in guess)"


def test_ctrl_c_ends_the_run(stage, faulty):
    with pytest.raises(KeyboardInterrupt):
        execute(stage, faulty("stop"))


def test_the_record_says_where(stage, faulty, tmp_path):
    record = execute(stage, faulty("raise")).record
    assert record.reason.startswith("RuntimeError: ")
    assert record.reason.endswith("(faulty.py:7 in deeper)")
    assert record.trace[0].startswith("privbench/runner/execute.py:")
    assert record.trace[-2:] == ("faulty.py:21 in guess", "faulty.py:7 in deeper")
    text = dump_record(record)
    assert str(tmp_path) not in text
    assert str(registry.__file__).removesuffix("privbench/core/registry.py") not in text
    assert load_record(text, "r") == record


def test_an_endless_recursion_leaves_a_short_trace(stage, faulty):
    record = execute(stage, faulty("recurse")).record
    assert record.reason.startswith("RecursionError")
    assert len(record.trace) == 20


def test_a_place_within_a_library_is_told_from_the_methods_own(stage, tmp_path):
    (tmp_path / "conv.py").write_text(
        ATTACK.replace("torch.zeros(2) @ torch.zeros(count + 3)", "torch.nn.Conv2d(1, 1, 3)(torch.zeros(1))")
    )
    attack = registry.create("attack", f"{tmp_path}/conv.py:Faulty[how=raise]")
    record = execute(
        stage, PlannedCell(registry.create("defense", "none"), attack, Game.FEATURE, None)
    ).record
    assert record.reason.endswith("(conv.py:7 in deeper)")
    assert record.trace[-1].startswith("torch/nn/modules/conv.py:")


def test_records_without_a_trace_are_read(stage, faulty):
    body = json.loads(dump_record(execute(stage, faulty("raise")).record))
    del body["trace"], body["checksum"]
    from privbench.core.records import _digest

    assert load_record(json.dumps({**body, "checksum": _digest(body)}), "old").trace == ()


def test_a_defense_that_exits_fails_its_cells_alone(stage, tmp_path):
    (tmp_path / "leaves.py").write_text(
        "import sys\n"
        "from privbench.core.defense import ImageDefense\n"
        "from privbench.core.registry import register\n\n"
        "@register('leaves')\nclass Leaves(ImageDefense):\n    'A test.'\n"
        "    def protect(self, images, keys):\n        sys.exit(3)\n"
    )
    _check(stage, registry.create("defense", f"{tmp_path}/leaves.py:Leaves"))
    plan = make_plan(
        [f"{tmp_path}/leaves.py:Leaves"], ["blind"], "mnist-5k", "cnn", [0], "smoke", controls=False
    )
    cells = [c for c in plan.cells if c.game is Game.FEATURE]
    plan = type(plan)(plan.source, plan.model, plan.scale, plan.seeds, tuple(cells))
    results = run_plan(plan, "cpu", tmp_path / "runs", lambda *_: None, lambda *_: None, pytest.fail)
    assert [r.record.reason for r, _ in results] == ["SystemExit: 3 (leaves.py:9 in protect)"]


def test_a_place_in_a_training_process_is_known(monkeypatch, tmp_path):
    import torch

    from privbench.core.training import TrainingConfig, TrainingJob
    from privbench.runner.trace import trace_of
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
