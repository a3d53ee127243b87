"""What every defense must keep; a new file in the catalogue is covered without a new test."""

from functools import cache

import pytest
import torch
from pydantic import BaseModel

from privbench.core import registry
from privbench.core.defense import TrainingDefense
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages
from privbench.core.selector import parse_selector
from privbench.core.training import PrivacySettings, TrainingConfig
from privbench.engine.fitting import Recipe
from privbench.training.modules import build_defended, load_defended

NAMES = registry.names("defense")
SELECTORS = [
    *NAMES,
    "vim[window=2]",
    "vim[window=7,key=fixed]",
    "vim[window=14,key=fixed-per-window]",
    "vim[window=entire]",
    "vim[window=entire,key=fixed]",
    "vim[window=adaptive]",
    "vim[window=adaptive,region=28,vfe_target=0.1,key=fixed]",
    "vim[variant=online]",
    "vim[variant=offline,grid=7,key=fixed-per-window]",
    "vim[redraws=3]",
    "blur[sigma=40]",
    "pixelate[block=3]",
    "pixelate[block=28]",
    "noise[distribution=laplace,scale=0.5]",
    "fedavg[clients=2,rounds=1,epochs=1]",
    "dp-sgd[noise_multiplier=2,mode=ghost]",
    "plain-encoder[layer=stage1]",
]


def with_method(name):
    """The selectors whose defenses define ``name``."""
    return [s for s in SELECTORS if callable(getattr(registry.create("defense", s), name, None))]


PROTECTING, ENCODING, SENDING = map(with_method, ("protect", "encode", "client_update"))
BAD = [
    ("vim[window=1]", "window"),
    ("vim[window=some]", "window"),
    ("vim[window=2.5]", "window"),
    ("vim[key=secret]", "key"),
    ("vim[variant=both]", "variant"),
    ("vim[redraws=0]", "redraws"),
    ("vim[redraws=65]", "redraws"),
    ("vim[window=adaptive,vfe_target=0]", "vfe_target"),
    ("vim[vfe_target=0.5]", "vfe_target"),
    ("vim[variant=online,window=7]", "window"),
    ("vim[grid=7]", "grid"),
    ("vim[windw=7]", "window"),
    ("blur[sigma=0]", "sigma"),
    ("blur[sigma=nan]", "sigma"),
    ("pixelate[block=1]", "block"),
    ("noise[scale=-1]", "scale"),
    ("noise[distribution=uniform]", "distribution"),
    ("dp-sgd[epsilon=-1]", "epsilon"),
    ("dp-sgd[delta=1]", "delta"),
    ("dp-sgd[mode=functorch]", "mode"),
    ("dp-sgd[epsilon=2,noise_multiplier=1]", "noise_multiplier"),
    ("none[x=1]", "x"),
]


@cache
def images(channels):
    generator = torch.Generator().manual_seed(channels)
    smooth = torch.rand(12, channels, 7, 7, generator=generator)
    smooth = torch.nn.functional.interpolate(smooth, (28, 28), mode="bicubic").clamp(0, 1)
    smooth[0] = 0.5
    return smooth


def protect(selector, batch, seed=3):
    defense = registry.create("defense", selector)
    return defense.protect(batch, defense.keys(seed, len(batch)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("selector", PROTECTING)
def test_releases_images_of_the_same_kind(selector, channels):
    before = images(channels).clone()
    released = protect(selector, images(channels))
    assert released.shape == before.shape
    assert released.dtype == torch.float32
    assert float(released.min()) >= 0
    assert float(released.max()) <= 1
    assert torch.equal(images(channels), before), "the input was changed in place"


@pytest.mark.parametrize("selector", PROTECTING)
def test_same_keys_give_the_same_bytes(selector):
    state = torch.get_rng_state()
    first = protect(selector, images(3))
    torch.manual_seed(99)
    assert torch.equal(first, protect(selector, images(3)))
    torch.set_rng_state(state)


@pytest.mark.parametrize("selector", PROTECTING)
def test_leaves_the_global_random_state_alone(selector):
    state = torch.get_rng_state()
    protect(selector, images(1))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("selector", PROTECTING)
def test_chunks_equal_the_whole(selector):
    defense = registry.create("defense", selector)
    batch = images(3)
    keys = defense.keys(5, len(batch))
    whole = defense.protect(batch, keys)
    pieces = [defense.protect(batch[i : i + 5], keys[i : i + 5]) for i in range(0, len(batch), 5)]
    assert torch.equal(whole, torch.cat(pieces))
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
    assert torch.equal(whole[order], defense.protect(batch[order], keys[order]))


@pytest.mark.parametrize("selector", PROTECTING)
def test_takes_non_contiguous_images(selector):
    batch = images(3)
    assert torch.equal(
        protect(selector, batch), protect(selector, batch.to(memory_format=torch.channels_last))
    )


@pytest.mark.parametrize("selector", PROTECTING)
def test_no_images_give_none(selector):
    assert protect(selector, images(1)[:0]).shape == (0, 1, 28, 28)


@pytest.mark.parametrize("selector", SELECTORS)
def test_key_policy_is_what_it_declares(selector):
    defense = registry.create("defense", selector)
    keys = defense.keys(0, 6)
    distinct = len(set(keys.values.tolist()))
    assert distinct == (1 if defense.reuses_key else 6)
    assert not torch.equal(keys.values, defense.keys(1, 6).values)


@pytest.mark.parametrize("selector", SELECTORS)
def test_selector_round_trips(selector):
    defense = registry.create("defense", selector)
    again = registry.create("defense", defense.selector)
    assert again == defense
    assert again.selector == defense.selector
    assert set(parse_selector(defense.selector).params) == set(parse_selector(selector).params)


@pytest.mark.parametrize(("selector", "names"), BAD)
def test_refuses_bad_hyperparameters(selector, names):
    with pytest.raises(UserError, match=names):
        registry.create("defense", selector)


@pytest.mark.parametrize("name", NAMES)
def test_is_documented(name):
    cls = registry.find("defense", name)
    assert cls.registry_name == name
    assert cls.source.strip()
    first, *_ = (cls.__doc__ or "").splitlines()
    assert len(first) > 20
    assert first.endswith((".", ":"))
    assert cls.create({}).exposes
    assert cls.create({}).exposes <= set(registry.names("surface"))
    assert cls.control in {"", "break", "null"}
    assert issubclass(cls, BaseModel)
    assert all(field.description for field in cls.model_fields.values())


@pytest.mark.parametrize(
    "selector", [s for s in SELECTORS if isinstance(registry.create("defense", s), TrainingDefense)]
)
def test_training_declarations(selector):
    defense = registry.create("defense", selector)
    private = LabelledImages(images(1)[:6], torch.arange(6) % 3)
    public = LabelledImages(images(1)[6:], torch.arange(6) % 3)
    trained = defense.training_set(private, public, 0)
    assert trained.images.shape[1:] == private.images.shape[1:]
    assert len(trained.labels) == len(trained.images)
    assert 1 <= defense.versions <= 64
    settings = defense.privacy(2000)
    assert settings is None or isinstance(settings, PrivacySettings)


def module_of(selector, shape=(1, 28, 28), seed=0):
    defense = registry.create("defense", selector)
    return defense, build_defended(defense, registry.create("model", "cnn"), shape, 10, seed)


@pytest.mark.parametrize("selector", ENCODING)
def test_encodes_each_image_by_itself_and_repeats(selector):
    defense, module = module_of(selector)
    module, model, batch = module.eval(), registry.create("model", "cnn"), images(1)
    before, weights, state = batch.clone(), digest(module), torch.get_rng_state()
    keys = defense.keys(3, len(batch))
    with torch.no_grad():
        features = defense.encode(model, module, batch, keys)
        order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
        again = defense.encode(model, module, batch[order], keys[order])
        few = torch.cat(
            [defense.encode(model, module, batch[i : i + 5], keys[i : i + 5]) for i in (0, 5, 10)]
        )
        none = defense.encode(model, module, batch[:0], keys[:0])
    assert features.dtype == torch.float32
    assert features.dim() == 2
    assert len(features) == len(batch)
    assert torch.isfinite(features).all()
    torch.testing.assert_close(again, features[order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(few, features, rtol=1e-4, atol=1e-5)
    assert none.shape == (0, features.shape[1])
    assert torch.equal(batch, before), "the input was changed in place"
    assert digest(module) == weights, "the model was changed"
    assert torch.equal(state, torch.get_rng_state())


def test_an_unknown_layer_is_told_with_those_there_are():
    defense, module = module_of("plain-encoder[layer=stagee1]")
    with pytest.raises(UserError, match=r"unknown layer 'stagee1'.*Did you mean 'stage1'"):
        defense.encode(registry.create("model", "cnn"), module, images(1), defense.keys(0, 12))


@pytest.mark.parametrize("selector", SENDING)
def test_clients_send_what_their_own_image_makes_and_repeat(selector):
    defense, module = module_of(selector, (1, 16, 16))
    module, task = module.eval(), registry.create("task", "classes")
    batch, labels, seeds = images(1)[:6, :, 6:22, 6:22].contiguous(), torch.arange(6), list(range(6))
    before, weights, state = batch.clone(), digest(module), torch.get_rng_state()
    sent = defense.client_update(module, task, batch, labels, seeds).detach()
    assert sent.shape == (6, sum(p.numel() for p in module.parameters()))
    assert sent.dtype == torch.float32
    assert torch.isfinite(sent).all()
    assert sent.abs().sum(1).all(), "a client sent nothing"
    again = defense.client_update(module, task, batch[2:4], labels[2:4], seeds[2:4]).detach()
    torch.testing.assert_close(again, sent[2:4], rtol=1e-3, atol=1e-6)
    assert torch.equal(batch, before)
    assert digest(module) == weights, "the global model was changed"
    assert torch.equal(state, torch.get_rng_state())


def digest(module):
    return [value.sum().item() for value in module.state_dict().values()]


def trainer(seed=1, keys_seed=2, heard=None):
    recipe = Recipe(
        registry.create("task", "classes"),
        registry.create("model", "cnn"),
        TrainingConfig(epochs=2),
        3,
        (1, 28, 28),
        torch.device("cpu"),
    )
    return recipe.trainer(seed, keys_seed, (lambda *said: heard.append(said)) if heard is not None else quiet)


def quiet(done, total, text):
    """Hear of no progress."""


def small(first, count=48):
    generator = torch.Generator().manual_seed(first)
    pixels = torch.rand(count, 1, 28, 28, generator=generator)
    labels = torch.arange(count) % 3
    return LabelledImages(pixels * 0.5 + labels[:, None, None, None] / 6, labels)


@pytest.mark.parametrize("selector", SELECTORS)
def test_fit_repeats_and_leaves_data_and_random_state_alone(selector):
    defense = registry.create("defense", selector)
    private, public = small(0), small(1)
    state = torch.get_rng_state()
    first = defense.fit(private, public, trainer())
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(99)
    second = defense.fit(private, public, trainer())
    torch.set_rng_state(state)
    assert first.weights.keys() == second.weights.keys()
    assert all(torch.equal(value, second.weights[name]) for name, value in first.weights.items())
    assert first.losses == second.losses
    assert first.guarantee == second.guarantee
    assert torch.equal(private.images, small(0).images)
    assert torch.equal(public.images, small(1).images)


@pytest.mark.parametrize("selector", SELECTORS)
def test_what_was_fitted_is_the_network_that_is_served(selector):
    defense = registry.create("defense", selector)
    heard = []
    fitted = defense.fit(small(0), small(1), trainer(heard=heard))
    module = load_defended(defense, registry.create("model", "cnn"), (1, 28, 28), 3, fitted.weights, "cpu")
    assert set(module.state_dict()) <= set(fitted.weights)
    assert torch.isfinite(module(small(0).images)).all()
    assert fitted.losses
    assert all(value.device.type == "cpu" for value in fitted.weights.values())
    assert heard, "told nothing of its progress"
    assert all(0 < done <= total for done, total, _ in heard)


@pytest.mark.parametrize("selector", [s for s in SELECTORS if not registry.create("defense", s).control])
def test_all_randomness_of_a_fit_is_in_its_seeds(selector):
    defense = registry.create("defense", selector)
    first = defense.fit(small(0), small(1), trainer()).weights
    other = defense.fit(small(0), small(1), trainer(seed=5)).weights
    assert any(not torch.equal(value, other[name]) for name, value in first.items())
    keyed = defense.fit(small(0), small(1), trainer(keys_seed=5)).weights
    same = all(torch.equal(value, keyed[name]) for name, value in first.items())
    draws = "protect" in defense.exposes and not torch.equal(
        *(defense.protect(images(1), defense.keys(seed, 12)) for seed in (2, 5))
    )
    assert same == (not draws), "a key that is not drawn on changed the model, or one that is did not"


def test_blackout_never_sees_the_private_data():
    blackout = registry.create("defense", "blackout")
    first = blackout.fit(small(0), small(1), trainer()).weights
    other = blackout.fit(small(7), small(1), trainer()).weights
    assert all(torch.equal(value, other[name]) for name, value in first.items())


@pytest.mark.cuda
@pytest.mark.parametrize("selector", PROTECTING)
def test_device_changes_nothing_beyond_rounding(selector):
    defense = registry.create("defense", selector)
    batch = images(3)
    there = defense.protect(batch.cuda(), defense.keys(3, len(batch), "cuda"))
    torch.testing.assert_close(there.cpu(), protect(selector, batch), rtol=1e-5, atol=1e-6)
