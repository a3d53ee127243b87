import pytest
import torch

from privbench.core.threat import Game
from privbench.report.bootstrap import REPLICATES, challenge_weights, interval, lower_bound, seed_average

GAME = Game.RECONSTRUCTION


def test_weights_depend_on_game_seed_and_challenge_only():
    a = challenge_weights(GAME, 0, 20, None)
    assert torch.equal(a, challenge_weights(GAME, 0, 20, None))
    assert not torch.equal(a, challenge_weights(GAME, 1, 20, None))
    assert not torch.equal(a, challenge_weights(Game.FEATURE, 0, 20, None))
    assert a.shape == (1 + REPLICATES, 20)
    assert (a[0] == 1).all()
    assert (a.sum(dim=1) == 20).all()


def test_weights_keep_identities_whole():
    clusters = torch.tensor([3, 3, 7, 7, 9])
    weights = challenge_weights(GAME, 0, 5, clusters)
    assert torch.equal(weights[:, 0], weights[:, 1])
    assert torch.equal(weights[:, 2], weights[:, 3])


def test_one_seed_is_left_as_it_is():
    draws = torch.randn(1, 1 + REPLICATES).double()
    assert torch.equal(seed_average(draws, GAME, [4]), draws[0])


def test_average_over_seeds_has_the_variance_of_a_two_level_bootstrap():
    # Independent within-seed noise of variance w and fixed seed means of (population) variance b:
    # the bootstrap variance of the mean over S seeds is (w + b) / S.
    generator = torch.Generator().manual_seed(0)
    means = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    noise = 0.5 * torch.randn(3, 1 + REPLICATES, generator=generator, dtype=torch.float64)
    noise[:, 0] = 0
    averaged = seed_average(means[:, None] + noise, GAME, [0, 1, 2])
    assert averaged[0] == pytest.approx(2.0)
    expected = (0.25 + float(means.var(unbiased=False))) / 3
    assert float(averaged[1:].var()) == pytest.approx(expected, rel=0.1)


def test_average_without_difference_between_seeds_narrows_by_the_square_root():
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 1 + REPLICATES, generator=generator, dtype=torch.float64)
    assert float(seed_average(noise, GAME, [0, 1, 2, 3])[1:].var()) == pytest.approx(0.25, rel=0.15)


def test_average_is_paired():
    draws = torch.randn(3, 1 + REPLICATES).double()
    shifted = seed_average(draws + 1, GAME, [0, 1, 2]) - seed_average(draws, GAME, [0, 1, 2])
    assert torch.allclose(shifted, torch.ones_like(shifted))


def test_interval_percentiles():
    draws = torch.cat([torch.tensor([50.0]), torch.arange(1, 101).float()]).double()
    found = interval(draws)
    assert found.value == 50
    assert found.low == pytest.approx(3.475)
    assert found.bound == pytest.approx(95.05)
    assert found.high == pytest.approx(97.525)
    assert lower_bound(draws, 0.99) == pytest.approx(1.99)


def test_interval_always_holds_the_estimate():
    below = interval(torch.tensor([0.0, 0.5, 0.6], dtype=torch.float64))
    assert below.low == below.value == 0
    above = interval(torch.tensor([1.0, 0.5, 0.6], dtype=torch.float64))
    assert above.bound == above.high == 1


def test_replicates_without_a_value_are_left_out():
    found = interval(torch.tensor([0.5, torch.nan, 0.5, torch.nan], dtype=torch.float64))
    assert (found.low, found.high) == (0.5, 0.5)
