"""What every defense must keep; a new file in the catalogue is covered without a new test."""

from functools import cache

import pytest
import torch
from pydantic import BaseModel

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages
from privbench.core.selector import parse_selector
from privbench.core.training import PrivacySettings

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
    "pixelate[block=100]",
    "noise[distribution=laplace,scale=0.5]",
]
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
@pytest.mark.parametrize("selector", SELECTORS)
def test_releases_images_of_the_same_kind(selector, channels):
    before = images(channels).clone()
    released = protect(selector, images(channels))
    assert released.shape == before.shape
    assert released.dtype == torch.float32
    assert float(released.min()) >= 0
    assert float(released.max()) <= 1
    assert torch.equal(images(channels), before), "the input was changed in place"


@pytest.mark.parametrize("selector", SELECTORS)
def test_same_keys_give_the_same_bytes(selector):
    state = torch.get_rng_state()
    first = protect(selector, images(3))
    torch.manual_seed(99)
    assert torch.equal(first, protect(selector, images(3)))
    torch.set_rng_state(state)


@pytest.mark.parametrize("selector", SELECTORS)
def test_leaves_the_global_random_state_alone(selector):
    state = torch.get_rng_state()
    protect(selector, images(1))
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("selector", SELECTORS)
def test_chunks_equal_the_whole(selector):
    defense = registry.create("defense", selector)
    batch = images(3)
    keys = defense.keys(5, len(batch))
    whole = defense.protect(batch, keys)
    pieces = [defense.protect(batch[i : i + 5], keys[i : i + 5]) for i in range(0, len(batch), 5)]
    assert torch.equal(whole, torch.cat(pieces))
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
    assert torch.equal(whole[order], defense.protect(batch[order], keys[order]))


@pytest.mark.parametrize("selector", SELECTORS)
def test_takes_non_contiguous_images(selector):
    batch = images(3)
    assert torch.equal(
        protect(selector, batch), protect(selector, batch.to(memory_format=torch.channels_last))
    )


@pytest.mark.parametrize("selector", SELECTORS)
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
    assert cls.surfaces
    assert cls.control in {"", "break", "null"}
    assert issubclass(cls, BaseModel)
    assert all(field.description for field in cls.model_fields.values())


@pytest.mark.parametrize("selector", SELECTORS)
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


@pytest.mark.cuda
@pytest.mark.parametrize("selector", SELECTORS)
def test_device_changes_nothing_beyond_rounding(selector):
    defense = registry.create("defense", selector)
    batch = images(3)
    there = defense.protect(batch.cuda(), defense.keys(3, len(batch), "cuda"))
    torch.testing.assert_close(there.cpu(), protect(selector, batch), rtol=1e-5, atol=1e-6)
