"""Training a decoder: the budget, the best epoch, and repetition; projections and regressions beside it."""

from __future__ import annotations

import math

import pytest
import torch
from sklearn.datasets import load_digits

from privbench.core.errors import TrainingDiverged
from privbench.models._deconvolution import Deconvolution
from privbench.training import decoding
from privbench.training.blending import fit_blend
from privbench.training.decoding import train_decoder
from privbench.training.projection import Projection
from privbench.training.regression import best_regression
from privbench.training.restoration import restoration_loss

DIGITS = torch.tensor(load_digits().images, dtype=torch.float32)[:, None] / 16
IMAGES = torch.nn.functional.interpolate(DIGITS[:400], size=(16, 16), mode="bilinear")
FEATURES = torch.nn.functional.avg_pool2d(IMAGES, 4).flatten(1)
PAIRS, HELD = (FEATURES[:340], IMAGES[:340]), (FEATURES[340:], IMAGES[340:])


def trained(steps: int = 60, seed: int = 0, pairs=PAIRS, validation=HELD, **more):
    return train_decoder(pairs, validation, steps, seed, width=16, **more)


def test_learns_to_draw() -> None:
    made = trained(200)
    guess = made.decode(HELD[0])
    assert guess.shape == HELD[1].shape
    assert 0 <= float(guess.min()) <= float(guess.max()) <= 1
    mean = PAIRS[1].mean(0).expand_as(HELD[1])
    assert float(restoration_loss(guess, HELD[1])) < 0.6 * float(restoration_loss(mean, HELD[1]))
    assert made.losses[-1] < made.losses[0]


def test_the_best_epoch_is_what_is_kept() -> None:
    made = trained(100, lr=3e-2)
    kept = float(restoration_loss(made.decode(HELD[0]), HELD[1]))
    assert kept == pytest.approx(min(made.validation), abs=1e-6)


def test_the_budget_is_in_steps_and_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    made = trained(25, on_epoch=lambda done, total: told.append((done, total)))
    # 340 pairs are 11 steps an epoch.
    assert told == [(11, 25), (22, 25), (25, 25)]
    assert len(made.losses) == len(made.validation) == 3


def test_ends_when_nothing_improves_any_more() -> None:
    noise = torch.rand(400, 16, generator=torch.Generator().manual_seed(0))
    made = trained(4000, pairs=(noise[:340], PAIRS[1]), validation=(noise[340:], HELD[1]))
    patience = (decoding.DROPS + 1) * decoding.PATIENCE
    assert len(made.validation) < 4000 // 11
    best = made.validation.index(min(made.validation))
    assert best < len(made.validation) - decoding.PATIENCE
    assert len(made.validation) >= patience


def test_repeats_and_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    first, second, other = trained(seed=1), trained(seed=1), trained(seed=2)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(first.decode(HELD[0]), second.decode(HELD[0]))
    assert first.losses == second.losses
    assert not torch.equal(first.decode(HELD[0]), other.decode(HELD[0]))


def test_divergence_is_told() -> None:
    bad = FEATURES[:340].clone()
    bad[3, 2] = float("inf")
    with pytest.raises(TrainingDiverged, match="drawn image became NaN or infinite in epoch 1"):
        trained(pairs=(bad, PAIRS[1]))


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 56, 56), (3, 30, 21), (1, 8, 8), (2, 5, 4)])
def test_the_network_draws_images_of_any_side(shape: tuple[int, int, int]) -> None:
    network = Deconvolution(7, shape, width=18)
    drawn = network(torch.randn(3, 7))
    assert drawn.shape == (3, *shape)
    assert 0 < float(drawn.detach().min()) <= float(drawn.detach().max()) < 1
    drawn[0].sum().backward()
    assert all(bool((p.grad != 0).any()) for p in network.parameters())


def test_a_projection_standardises_and_silences_what_never_varies() -> None:
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(200, 6, generator=generator) * torch.tensor([1, 1e3, 1e-3, 5, 1, 1]) + 3
    rows[:, 4] = 7.3
    rows[:, 5] = 7.3 + 1e-6 * torch.rand(200, generator=generator)
    made = Projection.fitted(rows)(rows)
    torch.testing.assert_close(made[:, :4].mean(0), torch.zeros(4), atol=1e-4, rtol=0)
    torch.testing.assert_close(made[:, :4].std(0, correction=0), torch.ones(4), atol=1e-3, rtol=0)
    assert (made[:, 4:] == 0).all()


def test_a_projection_keeps_the_directions_that_vary_most() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(300, 3, generator=generator)
    rows = hidden @ torch.randn(3, 50, generator=generator) + 0.01 * torch.randn(300, 50, generator=generator)
    made = Projection.fitted(rows, 3)(rows)
    assert made.shape == (300, 3)
    assert float(made.square().mean()) == pytest.approx(1, rel=0.05)
    # The three numbers say all that the fifty did.
    centred = (rows - rows.mean(0)).double()
    rest = centred - made.double() @ torch.linalg.lstsq(made.double(), centred).solution
    assert float(rest.square().mean()) < 1e-3 * float(centred.square().mean())
    assert Projection.fitted(rows[:2], 30)(rows).shape == (300, 2), "there are no more directions"


def test_the_regression_is_never_worse_than_the_nearest_images() -> None:
    known, held = HELD[0], PAIRS[0]
    nearest = torch.cdist(known, held).topk(5, largest=False).indices
    retrieved = (PAIRS[1][nearest].mean(1) - HELD[1]).square().mean()
    made = best_regression(PAIRS, HELD)
    assert made.error <= float(retrieved) * 1.2
    assert made.error == pytest.approx(float((made.predict(HELD[0]) - HELD[1]).square().mean()), rel=1e-5)


def test_what_is_linear_is_inverted_exactly() -> None:
    generator = torch.Generator().manual_seed(0)
    mixing = torch.randn(256, 256, generator=generator)
    rows = IMAGES.flatten(1) @ mixing
    made = best_regression((rows[:340], IMAGES[:340]), (rows[340:], IMAGES[340:]))
    assert made.name.startswith("linear")
    assert made.error < 1e-4


def test_noise_is_answered_by_about_the_mean_image() -> None:
    noise = torch.rand(400, 20, generator=torch.Generator().manual_seed(0))
    made = best_regression((noise[:340], PAIRS[1]), (noise[340:], HELD[1]))
    mean = (PAIRS[1].mean(0) - HELD[1]).square().mean()
    assert made.error < 1.1 * float(mean)
    same = torch.ones(400, 20)
    constant = best_regression((same[:340], PAIRS[1]), (same[340:], HELD[1]))
    assert math.isfinite(constant.error)
    assert constant.error < 1.1 * float(mean)


def test_a_blend_is_the_least_squares_fit() -> None:
    generator = torch.Generator().manual_seed(0)
    terms = [torch.rand(5, 1, 6, 6, generator=generator) for _ in range(3)]
    target = 0.5 * terms[0] - 0.2 * terms[1] + 0.7 * terms[2]
    assert fit_blend(terms, target) == pytest.approx((0.5, -0.2, 0.7), abs=1e-5)
    # Terms that say the same share the weight.
    assert fit_blend([terms[0], terms[0]], terms[0]) == pytest.approx((0.5, 0.5), abs=1e-6)
