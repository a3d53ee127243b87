"""What cannot work together is refused before anything is trained."""

import pytest

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.runner.plan import dataset_source, make_plan
from privbench.runner.run import run_plan
from privbench.runner.settings import Setting
from privbench.runner.stage import Stage


@pytest.mark.parametrize("name", ["resnet", "vgg", "mobilenet", "shufflenet"])
def test_dp_sgd_with_batch_norm_is_refused_in_a_sentence(shared_cache, name):
    def stage(norm):
        model = registry.create("model", f"{name}[norm={norm}]")
        setting = Setting(dataset_source("mnist-5k"), model, 0, "smoke", "cpu")
        return Stage(setting, shared_cache, lambda *_: None)

    private = registry.create("defense", "dp-sgd")
    message = rf"^the model '{name}.*: layer \S+ is a BatchNorm2d. Choose {name}\[norm=group\]\.$"
    with pytest.raises(UserError, match=message):
        stage("batch").check(private)
    stage("batch").check(registry.create("defense", "vim"))
    stage("group").check(private)


def test_nothing_runs_when_the_model_does_not_fit(tmp_path):
    plan = make_plan(["none", "dp-sgd"], ["confidence"], "mnist-5k", "resnet", [0], "smoke", controls=False)
    with pytest.raises(UserError, match="resnet"):
        list(run_plan(plan, "cpu", tmp_path, lambda *_: None, lambda *_: None, pytest.fail))
    assert not list(tmp_path.rglob("*.json"))
    assert not list(tmp_path.rglob("*.safetensors"))
