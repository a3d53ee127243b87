"""What the defender fits, once for all who ask, and what the keys of its steps hold."""

import pytest
import torch
from sessions import quiet, session_of, setting_of

from privbench.core import registry
from privbench.core.defense import Defense, ImageDefense
from privbench.core.registry import register
from privbench.engine import defender as defender_module
from privbench.engine import judge as judge_module
from privbench.engine import seeds
from privbench.engine.defender import Defender
from privbench.engine.fitting import shadow_members, shadow_seeds
from privbench.engine.judge import judge
from privbench.engine.keys import FITTING
from privbench.store.cache import Cache


class Asked(Exception):
    """Holds the path that a step asked its cache for."""


class AskingCache(Cache):
    def load_model(self, path):
        raise Asked(path)


def asked(setting, step) -> str:
    asking = Defender(setting, AskingCache(None, print), quiet)
    asking.cache.path = lambda step, identity: f"{step} {sorted(identity.items())}"
    with pytest.raises(Asked) as found:
        step(asking)
    return str(found.value)


def target(defender):
    return defender.fit(registry.create("defense", "vim[variant=online]"))


def shadows(defender):
    return defender.shadows(registry.create("defense", "vim"), defender.auxiliary, 1)


STEPS = [judge, target, shadows]


@pytest.mark.parametrize("step", STEPS)
def test_a_change_of_code_is_another_key(monkeypatch, step):
    before, hashed = asked(setting_of(), step), []

    def changed(*methods, files=()):
        hashed.append(({method.kind for method in methods}, set(files)))
        return "changed"

    monkeypatch.setattr(defender_module, "code_of", changed)
    monkeypatch.setattr(judge_module, "code_of", changed)
    assert asked(setting_of(), step) != before
    kinds, files = hashed[0]
    assert kinds == {"model", "task", "dataset"} | (set() if step is judge else {"defense"})
    assert files == {*FITTING, *(["engine/judge.py"] if step is judge else [])}


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    "other",
    [{"model": "cnn[width=4]"}, {"dataset": "mnist-5k[label_noise=0.1]"}, {"epochs": 3}, {"images": 500}],
)
def test_another_setting_is_another_key(step, other):
    assert asked(setting_of(**other), step) != asked(setting_of(), step)


def test_a_defense_is_fitted_once(session, shared_cache):
    none = registry.create("defense", "none")
    first = session.defender.deploy(none)
    assert session.defender.deploy(registry.create("defense", "none")) is first
    again = session_of(setting_of(), shared_cache).defender
    again.recipe.__class__.trainer, kept = None, again.recipe.__class__.trainer
    try:
        fitted = again.fit(none)
    finally:
        again.recipe.__class__.trainer = kept
    assert all(torch.equal(fitted.weights[name], value) for name, value in first.trained.weights.items())


@register("counts-fits")
class CountsFits(ImageDefense):
    """Fits nothing that was trained; says what it was given."""

    def protect(self, images, keys):
        return images

    def fit(self, private, public, trainer):
        FITS.append((private, public, trainer))
        return super().fit(private[:16], public, trainer)


FITS = []


def test_the_same_fit_serves_the_deployment_and_the_shadows(tmp_path, monkeypatch):
    # In this process, where they are heard of.
    monkeypatch.setenv("PRIVBENCH_WORKERS", "1")
    FITS.clear()
    defender = session_of(setting_of(epochs=1), Cache(tmp_path, pytest.fail)).defender
    deployment = defender.deploy(CountsFits())
    data = defender.auxiliary[:60]
    models = defender.shadows(CountsFits(), data, 2)
    root = defender.setting.seed
    [target, *fitted] = FITS
    assert torch.equal(target[0].images, defender.setting.parts.private.images)
    assert (target[2].seed, target[2].keys_seed) == (seeds.target(root), deployment.keys_seed)
    drawn = shadow_seeds(seeds.shadows(root), 2)
    for (private, public, trainer), seed in zip(fitted, drawn, strict=True):
        assert torch.equal(private.images, data.images[shadow_members(seed, 60)])
        assert torch.equal(public.images, defender.auxiliary.images)
        assert trainer.config == target[2].config
    assert len({trainer.seed for _, _, trainer in FITS} | {trainer.keys_seed for _, _, trainer in FITS}) == 6
    again = defender.shadows(CountsFits(), data, 3)
    assert len(FITS) == 4, "only the third shadow is new"
    for old, new in zip(models, again, strict=False):
        assert all(torch.equal(new.weights[name], value) for name, value in old.weights.items())


@register("fits-nothing")
class FitsNothing(ImageDefense):
    """Cannot be fitted."""

    def protect(self, images, keys):
        return images

    def fit(self, private, public, trainer):
        raise SystemExit(3)


def test_targets_are_fitted_together_as_alone_and_one_that_fails_harms_no_other(tmp_path):
    defenses = [registry.create("defense", name) for name in ("vim", "blackout", "none")]
    alone, together = (
        session_of(setting_of(epochs=1), Cache(tmp_path / name, pytest.fail)).defender
        for name in ("alone", "together")
    )
    together.fit_all([*defenses, FitsNothing()])
    assert len(list((tmp_path / "together").rglob("*.safetensors"))) == 3
    for defense in defenses:
        weights = together.fit(defense).weights
        assert all(torch.equal(weights[name], value) for name, value in alone.fit(defense).weights.items())
    with pytest.raises(SystemExit):
        together.fit(FitsNothing())


def test_damaged_weights_are_named_and_made_anew(tmp_path):
    heard = []
    setting, none = setting_of(epochs=1), registry.create("defense", "none")
    first = session_of(setting, Cache(tmp_path, heard.append)).defender.fit(none)
    [path] = (tmp_path / "targets").iterdir()
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    again = session_of(setting, Cache(tmp_path, heard.append)).defender.fit(none)
    assert len(heard) == 1
    assert "rebuilt" in heard[0]
    assert path.name in heard[0]
    assert all(torch.equal(again.weights[name], value) for name, value in first.weights.items())


@pytest.mark.parametrize("name", registry.names("defense"))
def test_every_defense_passes_the_check_before_a_run(session, name):
    defense = registry.create("defense", name)
    assert isinstance(defense, Defense)
    session.defender.check(defense)
