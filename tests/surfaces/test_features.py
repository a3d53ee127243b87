"""The features surface: keys of a random encoder, batches, counting, and the controls."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from deployments import SHAPE, deployment_of, digits

from privbench.core import registry
from privbench.core.defense import EncoderDefense
from privbench.core.errors import UserError
from privbench.core.keys import Keys
from privbench.surfaces import features as module
from privbench.surfaces.features import Features, encoded

INDEX = torch.tensor([7, 3, 19, 0])
ALL = torch.arange(40)


class Keyed(EncoderDefense):
    """The pixels plus noise of each image's key; ``reused``: one key for all."""

    registry_name = "keyed-encoder"
    source = "test double"

    reused: bool = False

    @property
    def reuses_key(self) -> bool:
        return self.reused

    def encode(self, model, module, images, keys):
        return images.flatten(1) + keys.normal(images[0].numel())


def noise_of(features: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return features - images.flatten(1)


def released(deployment, index=ALL):
    return Features().released(deployment, digits(40), index)


def asked(deployment, images, query=1):
    return Features().answer(deployment, {"inputs": images}, query)["answer"]


def test_a_release_is_under_the_key_of_its_place_in_the_data() -> None:
    deployment = deployment_of(Keyed())
    expected = Keys.fresh(deployment.keys_seed, 40).normal(256)
    torch.testing.assert_close(noise_of(released(deployment), digits(40).images), expected)
    assert torch.equal(released(deployment, INDEX), released(deployment)[INDEX])


def test_fresh_keys_make_other_noise_for_each_image_and_a_reused_key_the_same() -> None:
    for reused, patterns in ((False, 40), (True, 1)):
        noise = noise_of(released(deployment_of(Keyed(reused=reused))), digits(40).images)
        assert len((noise * 1000).round().unique(dim=0)) == patterns


def test_the_oracle_draws_keys_of_its_own_unless_the_key_is_reused() -> None:
    images = digits(6).images
    fresh, reused = deployment_of(Keyed()), deployment_of(Keyed(reused=True))
    assert not torch.equal(asked(fresh, images, 1), asked(fresh, images, 2))
    assert torch.equal(asked(fresh, images, 1), asked(fresh, images, 1)), "the same query repeats"
    own = Features().released(fresh, digits(6), torch.arange(6))
    assert not torch.equal(asked(fresh, images), own), "asking gave the release's own keys away"
    assert torch.equal(asked(reused, images, 1), asked(reused, images, 2))
    assert torch.equal(asked(reused, images), Features().released(reused, digits(6), torch.arange(6)))


def test_other_secrets_give_other_releases() -> None:
    first, second = (released(deployment_of(Keyed(), keys_seed=seed)) for seed in (5, 6))
    assert not torch.equal(first, second)


@pytest.mark.parametrize("batch", [1, 7, 40])
def test_batches_change_nothing(monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    whole = released(deployment_of(Keyed()))
    monkeypatch.setattr(module, "_BATCH", batch)
    assert torch.equal(released(deployment_of(Keyed())), whole)


def test_every_image_is_a_query() -> None:
    assert Features().cost({"inputs": torch.zeros(17, *SHAPE)}) == 17


def test_controls_give_pixels_and_noise() -> None:
    images, none, blackout = digits(40).images, deployment_of("none"), deployment_of("blackout")
    assert torch.equal(released(none), images.flatten(1))
    assert torch.equal(asked(none, images), images.flatten(1))
    noise = asked(blackout, images)
    assert noise.shape == (40, 256)
    assert torch.equal(noise, asked(blackout, 1 - images)), "depends on the images"
    assert 0 <= float(noise.min()) < 0.05
    assert 0.95 < float(noise.max()) < 1
    assert not torch.equal(noise, asked(blackout, images, 2))


def test_answers_can_be_computed_with() -> None:
    answer = asked(deployment_of("plain-encoder"), digits(4).images)
    assert not answer.is_inference()
    answer.requires_grad_().sum().backward()


class Wrong(EncoderDefense):
    registry_name = "wrong-encoder"
    source = "test double"

    def encode(self, model, module, images, keys):
        return images.flatten(1)[1:]


def test_the_oracle_refuses_what_is_no_feature_too() -> None:
    with pytest.raises(UserError, match=r"'wrong-encoder': encode returned .*\(5, 256\).*\[6, D\]"):
        asked(deployment_of(Wrong()), digits(6).images)


def test_queries_that_are_no_images_are_the_adversarys_own_fault() -> None:
    images = digits(6).images
    images[2] = float("nan")
    answer = asked(deployment_of(Keyed()), images)
    assert answer[2].isnan().all()
    assert torch.isfinite(answer[[0, 1, 3, 4, 5]]).all()


def test_encoded_is_by_the_module_that_is_given() -> None:
    deployment = deployment_of("plain-encoder")
    other = replace(deployment, module=deployment_of("plain-encoder").model.build(SHAPE, 10).eval())
    keys = deployment.defense.keys(0, 4)
    images = digits(4).images
    made = [encoded(d.defense, d.model, d.module, images, keys) for d in (deployment, other)]
    assert made[0].shape == made[1].shape
    assert not torch.equal(*made)


def test_defenses_of_the_catalogue_that_release_features_define_encode() -> None:
    exposing = [d for d in registry.names("defense") if "features" in registry.create("defense", d).exposes]
    assert "plain-encoder" in exposing
    assert all(Features().lacking(registry.create("defense", d)) is None for d in exposing)
