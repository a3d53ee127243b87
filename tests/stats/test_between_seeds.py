"""Intervals of a mean over few seeds hold the truth about as often as they say."""

import pytest
import torch
from scipy.stats import t as student

from privbench.stats.between_seeds import seed_average, seed_share, widened
from privbench.stats.bootstrap import REPLICATES, interval

GAME = "reconstruction"


def played(between, within, count, generator):
    """Draws [S, 1 + R] of seeds whose values vary by ``between`` and whose samples by ``within``."""

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    values = between * normal(count, 1) + within * normal(count, 1)
    return torch.cat([values, values + within * normal(count, REPLICATES)], dim=1)


def coverage(between, within, count=3, times=400):
    """How often (two-sided interval, one-sided bound) hold the true mean 0, and the median width.

    The width is relative to that of an interval that knows both variances.
    """
    generator = torch.Generator().manual_seed(0)
    seeds = range(count)
    found = [
        interval(widened(seed_average(played(between, within, count, generator)), GAME, seeds))
        for _ in range(times)
    ]
    two = sum(f.low <= 0 <= f.high for f in found) / times
    one = sum(f.bound >= 0 for f in found) / times
    ideal = 3.92 * ((between**2 + within**2) / count) ** 0.5
    return two, one, float(torch.tensor([f.high - f.low for f in found]).median()) / ideal


@pytest.mark.parametrize(("between", "within"), [(1, 0), (1, 0.5), (1, 1), (0.5, 1), (0, 1)])
def test_intervals_over_three_seeds_hold_the_truth_about_as_often_as_they_say(between, within):
    two, one, _ = coverage(between, within)
    assert 0.88 < two < 0.985
    assert 0.91 < one < 0.985


def test_intervals_are_not_absurdly_wide_where_seeds_do_not_differ():
    _, _, width = coverage(0, 1)
    assert width < 1.2


def test_two_and_five_seeds():
    for count in (2, 5):
        two, one, _ = coverage(1, 0, count)
        assert 0.91 < two < 0.98
        assert 0.91 < one < 0.98


def test_one_seed_is_left_as_it_is():
    draws = torch.randn(1, 1 + REPLICATES).double()
    assert torch.equal(widened(seed_average(draws), GAME, [4]), draws[0])


def test_parts_are_the_mean_the_means_without_one_seed_and_the_replicates():
    draws = torch.arange(12, dtype=torch.float64).reshape(3, 4) ** 2
    parts = seed_average(draws)
    assert torch.allclose(parts[0], draws[:, 0].mean())
    assert torch.allclose(parts[1], draws[1:, 0].mean())
    assert torch.allclose(parts[4:], draws[:, 1:].mean(dim=0))


def test_without_samples_it_is_the_t_interval_of_the_seeds_values():
    values = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    found = interval(widened(seed_average(values[:, None].expand(3, 1 + REPLICATES)), GAME, [0, 1, 2]))
    half = student.ppf(0.975, 2) * float(values.std()) / 3**0.5
    assert (found.value, seed_share(seed_average(values[:, None].expand(3, 9)), 3)) == (2, 1)
    assert found.high - found.low == pytest.approx(2 * half, rel=0.2)


def test_the_variance_within_seeds_counts_once():
    # Seeds that differ by less than their samples explain add nothing.
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(3, 1 + REPLICATES, generator=generator, dtype=torch.float64)
    noise[:, 0] = torch.tensor([-0.5, 0.0, 0.5])
    found = widened(seed_average(noise), GAME, [0, 1, 2])
    assert float(found[1:].var()) == pytest.approx(1 / 3, rel=0.15)


def test_replicates_without_a_value_do_not_spoil_the_others():
    draws = torch.randn(3, 1 + REPLICATES, generator=torch.Generator().manual_seed(0)).double()
    draws[:, 7] = torch.nan
    found = widened(seed_average(draws), GAME, [0, 1, 2])
    assert found.isnan().nonzero().tolist() == [[7]]
