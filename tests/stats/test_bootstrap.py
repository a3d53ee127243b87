import pytest
import torch

from privbench.core.errors import PrivbenchError
from privbench.stats.bootstrap import REPLICATES, challenge_weights, interval, lower_bound, resample_weights

GAME = "reconstruction"


def test_weights_depend_on_game_seed_and_challenge_only():
    a = challenge_weights(GAME, 0, 20, None)
    assert torch.equal(a, challenge_weights(GAME, 0, 20, None))
    assert not torch.equal(a, challenge_weights(GAME, 1, 20, None))
    assert not torch.equal(a, challenge_weights("membership", 0, 20, None))
    assert a.shape == (1 + REPLICATES, 20)
    assert (a[0] == 1).all()
    assert (a.sum(dim=1) == 20).all()


def test_weights_keep_identities_whole():
    clusters = torch.tensor([3, 3, 7, 7, 9])
    weights = challenge_weights(GAME, 0, 5, clusters)
    assert torch.equal(weights[:, 0], weights[:, 1])
    assert torch.equal(weights[:, 2], weights[:, 3])


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


def test_resample_weights_are_multinomial_counts():
    weights = resample_weights(50, None, 4000, seed=0)
    assert weights.dtype == torch.float64
    assert weights.shape == (4000, 50)
    assert torch.equal(weights.sum(dim=1), torch.full((4000,), 50.0, dtype=torch.float64))
    assert torch.allclose(weights.mean(dim=0), torch.ones(50).double(), atol=0.08)
    # Multinomial: variance 1 - 1/N, covariance -1/N.
    covariance = torch.cov(weights.T)
    assert float(covariance.diag().mean()) == pytest.approx(0.98, abs=0.02)
    assert float((covariance.sum() - covariance.diag().sum()) / (50 * 49)) == pytest.approx(-0.02, abs=0.002)
    assert torch.equal(weights, resample_weights(50, None, 4000, seed=0))
    assert not torch.equal(weights, resample_weights(50, None, 4000, seed=1))


def test_resample_weights_take_whole_clusters():
    clusters = torch.tensor([7, 7, 3, 900, 3, 7])
    weights = resample_weights(6, clusters, 500, seed=0)
    assert torch.equal(weights[:, 0], weights[:, 1])
    assert torch.equal(weights[:, 0], weights[:, 5])
    assert torch.equal(weights[:, 2], weights[:, 4])
    assert torch.equal(weights[:, [0, 2, 3]].sum(dim=1), torch.full((500,), 3.0, dtype=torch.float64))
    with pytest.raises(PrivbenchError, match="clusters"):
        resample_weights(5, clusters, 10, seed=0)
    with pytest.raises(PrivbenchError, match="no samples"):
        resample_weights(0, None, 10, seed=0)
