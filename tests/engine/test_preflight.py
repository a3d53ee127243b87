"""What cannot work together is refused before anything is trained."""

import pytest
from sessions import session_of, setting_of

from privbench.core import registry
from privbench.core.defense import EncoderDefense, ImageDefense
from privbench.core.errors import UserError
from privbench.core.registry import register
from privbench.engine.executors.in_process import InProcess
from privbench.engine.plan import make_plan
from privbench.engine.run import check, run_plan

BROKEN = {
    "pooled": lambda images: images[..., ::2, ::2],
    "double": lambda images: images.double(),
    "nothing": lambda images: None,
    "nan": lambda images: images * float("nan"),
    "pixels": lambda images: images * 255,
}


@register("broken-at-once")
class Broken(ImageDefense):
    """Returns something else than was asked for."""

    how: str = "nan"

    def protect(self, images, keys):
        return BROKEN[self.how](images)


@pytest.mark.parametrize("name", ["resnet", "vgg", "mobilenet", "shufflenet"])
def test_dp_sgd_with_batch_norm_is_refused_in_a_sentence(shared_cache, name):
    def defender(norm):
        return session_of(setting_of(model=f"{name}[norm={norm}]"), shared_cache).defender

    private = registry.create("defense", "dp-sgd")
    message = rf"^the model '{name}.*: layer \S+ is a BatchNorm2d. Choose {name}\[norm=group\]\.$"
    with pytest.raises(UserError, match=message):
        defender("batch").check(private)
    defender("batch").check(registry.create("defense", "vim"))
    defender("group").check(private)


def test_nothing_runs_when_the_model_does_not_fit(tmp_path):
    plan = make_plan(["none", "dp-sgd"], ["confidence"], model="resnet", scale="smoke", controls=False)
    with pytest.raises(UserError, match="resnet"):
        list(run_plan(plan, "cpu", tmp_path, InProcess(), warn=pytest.fail))
    assert not list(tmp_path.rglob("*.json"))
    assert not list(tmp_path.rglob("*.safetensors"))


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_defense_is_refused_before_the_run(defender, how):
    with pytest.raises(UserError, match="protect returned"):
        check(defender, Broken(how=how))


def test_a_task_that_the_data_do_not_say_is_refused_before_the_run(tmp_path):
    plan = make_plan(["pixelate"], ["window-mean"], task="attributes", scale="smoke", controls=False)
    with pytest.raises(UserError, match="attributes"):
        list(run_plan(plan, "cpu", tmp_path, InProcess(), warn=pytest.fail))
    assert not list(tmp_path.rglob("*.json"))


def test_an_unknown_layer_is_refused_before_the_run(tmp_path):
    plan = make_plan(["plain-encoder[layer=stagee1]"], ["attribute"], scale="smoke", controls=False)
    with pytest.raises(UserError, match=r"unknown layer 'stagee1'.*Did you mean 'stage1'"):
        list(run_plan(plan, "cpu", tmp_path, InProcess(), warn=pytest.fail))
    assert not list(tmp_path.rglob("*.json"))
    assert not list(tmp_path.rglob("*.safetensors"))


FEATURES = {
    "flat": lambda images: images.flatten(),
    "map": lambda images: images,
    "double": lambda images: images.flatten(1).double(),
    "rows": lambda images: images.flatten(1)[1:],
    "nan": lambda images: images.flatten(1) * float("nan"),
}


class Encoder(EncoderDefense):
    """Encodes to something else than was asked for."""

    registry_name = "encodes-otherwise"
    how: str = "nan"

    def encode(self, model, module, images, keys):
        return FEATURES[self.how](images)


@pytest.mark.parametrize("how", FEATURES)
def test_a_broken_encoder_is_refused_before_the_run(defender, how):
    with pytest.raises(UserError, match="encode returned"):
        check(defender, Encoder(how=how))


@pytest.mark.parametrize("name", ["resnet", "vit"])
def test_encoders_of_other_models_pass(shared_cache, name):
    defender = session_of(setting_of(model=name), shared_cache).defender
    defender.check(registry.create("defense", "plain-encoder"))
