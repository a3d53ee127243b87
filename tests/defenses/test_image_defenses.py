"""Blur, pixelate and noise against independent references; the controls; DP-SGD's settings."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys


def random_images(count, *shape, seed=0):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(28, 28), (19, 30), (5, 1)])
@pytest.mark.parametrize("sigma", [0.4, 2.0, 15.0])
def test_blur_equals_scipy(sigma, shape):
    images = random_images(3, 3, *shape)
    released = registry.create("defense", f"blur[sigma={sigma}]").protect(images, Keys.fresh(0, 3))
    expected = ndimage.gaussian_filter(
        images.double().numpy(), (0, 0, sigma, sigma), mode="mirror", truncate=4.0
    )
    np.testing.assert_allclose(released.numpy(), expected, atol=1e-6)


def test_blur_keeps_flat_images():
    flat = torch.full((1, 1, 28, 28), 0.7)
    torch.testing.assert_close(registry.create("defense", "blur").protect(flat, Keys.fresh(0, 1)), flat)


def test_a_block_larger_than_the_images_is_refused():
    with pytest.raises(UserError, match=r"block=14 is larger than images of 10x13 px.*Choose 2 to 13"):
        registry.create("defense", "pixelate[block=14]").protect(
            random_images(1, 1, 10, 13), Keys.fresh(0, 1)
        )


@pytest.mark.parametrize("block", [2, 3, 4, 5, 9, 13])
@pytest.mark.parametrize("shape", [(28, 28), (10, 13)])
def test_pixelate_equals_a_slow_loop(block, shape):
    images = random_images(2, 3, *shape)
    expected = images.clone()
    for y in range(0, shape[0], block):
        for x in range(0, shape[1], block):
            piece = images[:, :, y : y + block, x : x + block]
            expected[:, :, y : y + block, x : x + block] = piece.mean(dim=(2, 3), keepdim=True)
    released = registry.create("defense", f"pixelate[block={block}]").protect(images, Keys.fresh(0, 2))
    torch.testing.assert_close(released, expected)


def test_pixelate_is_what_a_shuffle_gives_away():
    """The block means of a shuffled image are the pixelated original."""
    images, keys = random_images(20, 3, 28, 28), Keys.fresh(0, 20)
    pixelate = registry.create("defense", "pixelate[block=4]")
    shuffled = registry.create("defense", "vim[window=4]").protect(images, keys)
    torch.testing.assert_close(pixelate.protect(shuffled, keys), pixelate.protect(images, keys))


@pytest.mark.parametrize(
    ("distribution", "law"), [("gaussian", stats.norm(0.5, 0.05)), ("laplace", stats.laplace(0.5, 0.02))]
)
def test_noise_has_its_distribution(distribution, law):
    grey = torch.full((20, 1, 28, 28), 0.5)
    scale = law.kwds.get("scale", law.args[1])
    defense = registry.create("defense", f"noise[distribution={distribution},scale={scale}]")
    released = defense.protect(grey, defense.keys(1, 20)).double().flatten().numpy()
    assert stats.kstest(released, law.cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(released[:-1], released[1:])[0, 1]) < 0.03


def test_noise_differs_between_images_and_is_finite():
    defense = registry.create("defense", "noise[distribution=laplace,scale=1000]")
    released = defense.protect(torch.full((2000, 1, 28, 28), 0.5), defense.keys(0, 2000))
    assert torch.isfinite(released).all()
    assert not torch.equal(released[0], released[1])


def test_noise_reports_its_epsilon():
    assert registry.create("defense", "noise[distribution=laplace]").image_epsilon(
        (1, 28, 28)
    ) == pytest.approx(784 / 0.3)
    assert registry.create("defense", "noise").image_epsilon((1, 28, 28)) == math.inf


def test_none_releases_everything():
    none, images = registry.create("defense", "none"), random_images(3, 1, 8, 8)
    assert none.exposes == set(registry.names("surface"))
    assert none.control == "break"
    assert torch.equal(none.protect(images, none.keys(0, 3)), images)


def test_blackout_releases_nothing_of_the_images():
    blackout = registry.create("defense", "blackout")
    keys = blackout.keys(0, 50)
    first, second = (blackout.protect(random_images(50, 1, 28, 28, seed=s), keys) for s in (0, 1))
    assert blackout.exposes == registry.create("defense", "none").exposes
    assert blackout.control == "null"
    assert torch.equal(first, second)
    assert stats.kstest(first.flatten().double().numpy(), stats.uniform.cdf).pvalue > 1e-3
    images = random_images(50, 1, 28, 28)
    assert torch.equal(blackout.model_inputs(images, keys), images)


def test_blackout_trains_on_public_images_with_wrong_labels():
    blackout = registry.create("defense", "blackout")
    labels = torch.arange(400) % 10
    private = LabelledImages(random_images(400, 1, 8, 8), labels)
    public = LabelledImages(random_images(400, 1, 8, 8, seed=1), labels)
    trained = blackout.training_set(private, public, 0)
    assert torch.equal(trained.images, public.images)
    assert torch.equal(trained.labels.bincount(), labels.bincount())
    assert 0.02 < float((trained.labels == labels).double().mean()) < 0.2
    assert torch.equal(trained.labels, blackout.training_set(public, public, 0).labels)
    assert not torch.equal(trained.labels, blackout.training_set(private, public, 1).labels)


def test_dp_sgd_settings():
    settings = registry.create("defense", "dp-sgd").privacy(2000)
    assert (settings.epsilon, settings.noise_multiplier) == (8.0, None)
    assert settings.delta == pytest.approx(1 / 20000)
    settings = registry.create(
        "defense", "dp-sgd[noise_multiplier=1.5,delta=1e-6,max_grad_norm=0.5,accountant=rdp,mode=ghost]"
    ).privacy(2000)
    assert (settings.epsilon, settings.noise_multiplier, settings.delta) == (None, 1.5, 1e-6)
    assert (settings.max_grad_norm, settings.accountant, settings.mode) == (0.5, "rdp", "ghost")


def test_dp_sgd_refuses_a_delta_that_is_no_privacy():
    with pytest.raises(UserError, match="delta"):
        registry.create("defense", "dp-sgd[delta=0.001]").privacy(1000)


def test_dp_sgd_releases_the_model_only():
    assert registry.create("defense", "dp-sgd").exposes == {"scores", "weights"}


def test_the_families_expose_what_they_are_for():
    def exposed(name):
        return registry.create("defense", name).exposes

    assert all(
        exposed(name) == {"images", "protect", "scores"} for name in ("vim", "blur", "pixelate", "noise")
    )
    assert exposed("plain-encoder") == {"features", "scores"}
    assert exposed("fedavg") == {"updates", "scores", "weights"}


def test_blackout_permutes_attributes_as_it_does_labels():
    blackout = registry.create("defense", "blackout")
    labels = torch.arange(400) % 10
    attributes = torch.stack([labels % 2, (labels < 5).long()], 1)
    public = LabelledImages(random_images(400, 1, 8, 8), labels, None, attributes)
    trained = blackout.training_set(public, public, 0)
    assert torch.equal(trained.attributes.sum(0), attributes.sum(0))
    right = (trained.attributes == attributes).all(1).double().mean()
    assert 0.1 < float(right) < 0.6
    pairs = {
        (int(label), *row) for label, row in zip(trained.labels, trained.attributes.tolist(), strict=True)
    }
    assert len(pairs) == 10, "an image takes all of another's labels"
