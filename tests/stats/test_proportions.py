import pytest

from privbench.stats.proportions import clopper_pearson


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 1000), (10, 10), (7, 33)])
def test_clopper_pearson_equals_scipy(successes, trials):
    from scipy.stats import binomtest

    wanted = binomtest(successes, trials).proportion_ci(0.95, method="exact")
    assert clopper_pearson(successes, trials) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_clopper_pearson_at_the_edge():
    low, high = clopper_pearson(1, 1000)
    assert (round(low, 5), round(high, 4)) == (0.00003, 0.0056)
    assert clopper_pearson(0, 0) == (0.0, 1.0)
