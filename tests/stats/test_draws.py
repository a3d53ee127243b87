"""Intervals that claim what the data allow: of few people, of shares of counts, at the end of a range."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from privbench.core.registry import create
from privbench.stats.bootstrap import interval, resample_weights
from privbench.stats.draws import effective_size, few_people_factor, figure_interval, metric_draws
from privbench.stats.proportions import clopper_pearson, share_interval
from privbench.stats.units import LEAST_PEOPLE, Units, effective_number, units_of

RECOGNITION, SSIM, AUC = (create("metric", name) for name in ("recognition", "ssim", "auc"))


def figure(metric, columns, clusters=None, replicates=400, seed=0):
    count = len(next(iter(columns.values())))
    drawn = resample_weights(count, clusters, replicates, seed)
    weights = torch.cat([torch.ones(1, count, dtype=torch.float64), drawn])
    draws = metric_draws(metric, columns, weights, clusters, seed)
    return draws, figure_interval(metric, columns, draws)


@pytest.mark.parametrize(("hits", "of"), [(0, 48), (48, 48), (7, 48), (1, 3), (0, 1)])
def test_a_share_of_independent_samples_has_clopper_and_pearsons_interval(hits, of):
    columns = {"recognition": (torch.arange(of) < hits).double()}
    draws, found = figure(RECOGNITION, columns)
    exact = binomtest(hits, of).proportion_ci(0.95, method="exact")
    assert found == pytest.approx((exact.low, exact.high), abs=1e-9)
    assert share_interval(hits / of, of) == pytest.approx(clopper_pearson(hits, of), abs=1e-9)
    # What boards draw from has the same interval, up to the number of replicates.
    drawn = interval(draws.values)
    assert (drawn.low, drawn.high) == pytest.approx(found, abs=0.02)
    one_sided = binomtest(hits, of).proportion_ci(0.9, method="exact").high
    assert drawn.bound == pytest.approx(one_sided, abs=0.02)


def test_draws_of_a_share_keep_the_order_of_their_replicates():
    columns = {"recognition": (torch.arange(48) < 20).double()}
    weights = torch.cat([torch.ones(1, 48).double(), resample_weights(48, None, 500, 1)])
    draws = metric_draws(RECOGNITION, columns, weights, None, 1).values[1:]
    plain = RECOGNITION.statistic(columns, weights)[1:]
    above = plain[:, None] > plain
    assert bool((draws[:, None] > draws)[above].all())


def test_a_share_of_people_counts_people_where_all_are_alike():
    people = torch.arange(48) // 4
    none = {"recognition": torch.zeros(48).double()}
    assert figure(RECOGNITION, none, people)[1] == pytest.approx(clopper_pearson(0, 12), abs=1e-9)
    by_person = {"recognition": (people < 5).double()}
    assert effective_size(torch.tensor([0.4, 0.3, 0.5]).double(), Units(48)) == 48
    low, high = figure(RECOGNITION, by_person, people)[1]
    alone = figure(RECOGNITION, by_person)[1]
    assert high - low > 1.5 * (alone[1] - alone[0])


def test_a_figure_at_the_end_of_its_range_is_not_certain():
    member = (torch.arange(80) < 30).double()
    columns = {"score": member + torch.arange(80) * 1e-6, "member": member}
    draws, (low, high) = figure(AUC, columns)
    assert float(draws.values[0]) == high == 1.0
    assert low == pytest.approx(clopper_pearson(30, 30)[0])
    assert interval(draws.values).low == pytest.approx(low, abs=0.01)
    # A mean of values that are no counts is what it is.
    assert figure(SSIM, {"ssim": torch.ones(80).double()})[1] == (1.0, 1.0)
    # Constant scores know nothing, and that is certain.
    blind = {"score": torch.zeros(80).double(), "member": member}
    assert figure(AUC, blind)[1] == (0.5, 0.5)


def test_few_people_have_no_interval_and_more_have_a_wider_one():
    values = {"ssim": torch.rand(60, generator=torch.Generator().manual_seed(0)).double()}
    for people in (1, 2, LEAST_PEOPLE - 1):
        clusters = torch.arange(60) % people
        draws, found = figure(SSIM, values, clusters)
        assert found is None
        assert f"show {people} people" in draws.units.too_few
    widths = []
    for people in (LEAST_PEOPLE, 10, 20, 60):
        assert figure(SSIM, values, torch.arange(60) % people)[0].units.too_few is None
        widths.append(few_people_factor(people))
    assert widths == sorted(widths, reverse=True)
    assert 1.7 < widths[0] < 1.8
    assert few_people_factor(10_000) == pytest.approx(1, abs=1e-3)


def test_one_person_with_most_images_is_not_many_people():
    sizes = torch.tensor([90, *[1] * 10])
    clusters = torch.repeat_interleave(torch.arange(11), sizes)
    assert effective_number(clusters) == pytest.approx(100**2 / (90**2 + 10))
    assert units_of(100, clusters).too_few is not None
    assert effective_number(torch.arange(40) // 4) == pytest.approx(10)


def test_the_smaller_side_counts():
    clusters = torch.arange(40) // 2
    member = torch.arange(40) < 8
    found = units_of(40, clusters, (member, ~member))
    assert (found.samples, found.people) == (8, 4)
    assert found.too_few is not None


@settings(max_examples=80, deadline=None)
@given(st.integers(2, 60), st.integers(1, 20), st.integers(0, 10_000))
def test_an_interval_holds_its_figure_and_stays_in_range(count, people, seed):
    generator = torch.Generator().manual_seed(seed)
    values = (torch.rand(count, generator=generator) < 0.3).double()
    clusters = torch.randint(0, people, (count,), generator=generator)
    for metric in (RECOGNITION, SSIM):
        draws, found = figure(metric, {metric.registry_name: values}, clusters, replicates=60, seed=seed)
        if found is None:
            continue
        least, greatest = metric.bounds
        assert least <= found[0] - 1e-12 <= float(draws.values[0]) <= found[1] + 1e-12 <= greatest + 2e-12
        assert bool(torch.isfinite(draws.values).all())


def people_and_values(kind, people, generator):
    """Samples of a population of people whose images are alike: columns, clusters."""
    clusters = torch.arange(people).repeat_interleave(10)
    count = len(clusters)

    def normal(size):
        return torch.randn(size, generator=generator, dtype=torch.float64)

    effect = math.sqrt(0.6) * normal(people)[clusters] + math.sqrt(0.4) * normal(count)
    if kind == "ssim":
        return {"ssim": 0.5 + 0.1 * effect}, clusters
    if kind == "recognition":
        return {"recognition": (effect > 0.84).double()}, clusters
    member = (torch.rand(count, generator=generator) < 0.5).double()
    if kind == "auc":
        return {"score": effect + 0.6 * member, "member": member}, clusters
    truth = member.long()
    return {"truth_0": truth, "guess_0": torch.where(effect > -0.84, truth, 1 - truth)}, clusters


NAMES = {"ssim": "ssim", "recognition": "recognition", "auc": "auc", "mcc": "attribute-mcc"}


def coverage(kind, people, rounds):
    metric = create("metric", NAMES[kind])
    many, _ = people_and_values(kind, 20_000, torch.Generator().manual_seed(99))
    true = float(metric.statistic(many, torch.ones(1, 200_000, dtype=torch.float64)))
    generator = torch.Generator().manual_seed(people)
    inside = []
    for seed in range(rounds):
        columns, clusters = people_and_values(kind, people, generator)
        _, found = figure(metric, columns, clusters, replicates=300, seed=seed)
        if found is not None:
            inside.append(found[0] <= true <= found[1])
    assert len(inside) > 0.8 * rounds
    return sum(inside) / len(inside)


@pytest.mark.parametrize("kind", NAMES)
def test_intervals_of_few_people_cover(kind):
    # Of 150 draws, 0.93 leaves 0.89 with 97% probability.
    assert coverage(kind, LEAST_PEOPLE + 2, 150) >= 0.89


@pytest.mark.slow
@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("people", [LEAST_PEOPLE + 1, 8, 12, 20, 40])
def test_intervals_cover(kind, people):
    # 0.93 less twice the error of 600 draws.
    assert coverage(kind, people, 600) >= 0.91
