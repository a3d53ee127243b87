"""AUC, balanced accuracy and TPR at low FPR against scikit-learn and explicit resampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score, roc_auc_score, roc_curve

from privbench.core.errors import DataError, PrivbenchError
from privbench.core.game import Truth
from privbench.core.metric import ScoringContext
from privbench.core.registry import create
from privbench.metrics._roc import roc
from privbench.metrics._tpr import exact_interval, tpr_at
from privbench.stats.bootstrap import resample_weights
from privbench.stats.draws import figure_interval, metric_draws

CPU = ScoringContext(torch.device("cpu"))
NAMES = ["auc", "balanced-accuracy", "tpr-at-1-fpr", "tpr-at-01-fpr"]
LOOSE = 0.1


def make(members, others, shift=1.0, decimals=None, seed=0):
    rng = np.random.default_rng(seed)
    member = rng.permutation(np.r_[np.ones(members), np.zeros(others)])
    score = rng.normal(size=len(member)) + shift * member
    if decimals is not None:
        score = score.round(decimals)
    return columns_of(torch.from_numpy(score), torch.from_numpy(member))


def columns_of(score, member):
    return create("metric", "balanced-accuracy").columns(Truth(members=member.bool()), score, CPU)


def ones(columns):
    return torch.ones(1, len(columns["score"]), dtype=torch.float64)


def slow_tpr(score, member, fpr, weight=None):
    """Try each threshold in turn."""
    weight = np.ones(len(score)) if weight is None else weight
    best = 0.0
    for threshold in np.unique(score):
        taken = score >= threshold
        if (weight * taken * (1 - member)).sum() <= fpr * (weight * (1 - member)).sum() * (1 + 1e-9):
            best = max(best, (weight * taken * member).sum() / (weight * member).sum())
    return best


def slow_balanced(score, member, half):
    """Choose on one half, with scikit-learn score the other; both ways."""
    figures = []
    for chosen in (0, 1):
        best, best_threshold = 0.5, np.inf
        for threshold in np.unique(score)[::-1]:
            figure = balanced_accuracy_score(member[half == chosen], score[half == chosen] >= threshold)
            if figure > best + 1e-12:
                best, best_threshold = figure, threshold
        rest = half != chosen
        figures.append(balanced_accuracy_score(member[rest], score[rest] >= best_threshold))
    return sum(figures) / 2


def statistics(columns, weights):
    """Each membership statistic, with a false positive rate that small samples resolve."""
    return {
        "auc": create("metric", "auc").statistic(columns, weights),
        "balanced-accuracy": create("metric", "balanced-accuracy").statistic(columns, weights),
        "tpr": tpr_at(columns, weights, LOOSE),
    }


@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize(("members", "others"), [(50, 70), (1, 30), (30, 1), (300, 20)])
def test_values_agree_with_references(members, others, decimals):
    columns = make(members, others, decimals=decimals)
    score, member = columns["score"].numpy(), columns["member"].numpy()
    got = {name: float(value) for name, value in statistics(columns, ones(columns)).items()}
    assert got["auc"] == pytest.approx(roc_auc_score(member, score), abs=1e-12)
    half = columns["half"].numpy()
    if min(members, others) == 1:
        assert np.isnan(got["balanced-accuracy"])
    else:
        assert got["balanced-accuracy"] == pytest.approx(slow_balanced(score, member, half), abs=1e-12)
    assert got["tpr"] == pytest.approx(slow_tpr(score, member, LOOSE), abs=1e-12)
    false, true, _ = roc_curve(member, score, drop_intermediate=False)
    assert got["tpr"] == pytest.approx(true[false <= LOOSE].max(), abs=1e-12)


@pytest.mark.parametrize("decimals", [None, 1])
def test_weights_are_repetitions(decimals):
    columns = make(60, 80, decimals=decimals)
    weights = resample_weights(140, None, 12, seed=3)
    together = statistics(columns, weights)
    for row, weight in enumerate(weights):
        index = torch.repeat_interleave(torch.arange(140), weight.long())
        repeated = {name: column[index] for name, column in columns.items()}
        for name, value in statistics(repeated, ones(repeated)).items():
            assert float(together[name][row]) == pytest.approx(float(value), abs=1e-12), name
        wanted = roc_auc_score(columns["member"], columns["score"], sample_weight=weight)
        assert float(together["auc"][row]) == pytest.approx(wanted, abs=1e-12)


def test_fractional_weights_agree_with_scikit_learn():
    columns = make(60, 80, decimals=1)
    weights = torch.rand(5, 140, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    got = statistics(columns, weights)
    for row, weight in enumerate(weights.numpy()):
        score, member = columns["score"].numpy(), columns["member"].numpy()
        assert float(got["auc"][row]) == pytest.approx(
            roc_auc_score(member, score, sample_weight=weight), abs=1e-12
        )
        assert float(got["tpr"][row]) == pytest.approx(slow_tpr(score, member, LOOSE, weight), abs=1e-12)


def test_whole_weights_are_exact_whatever_their_type_and_size():
    columns = make(60, 80, decimals=1)
    weights = resample_weights(140, None, 9, seed=0)
    whole = statistics(columns, weights)
    # Too large for the products, then for the sums, of float32.
    for factor in (2**8, 2**14):
        for name, value in statistics(columns, weights * factor).items():
            assert torch.equal(value, whole[name]), name


def test_what_is_kept_between_metrics_is_of_the_same_scores_and_weights():
    columns, other = make(60, 80), make(60, 80, seed=1)
    weights = resample_weights(140, None, 9, seed=0)
    first = statistics(columns, weights)
    second = statistics(other, weights)
    assert not torch.equal(first["auc"], second["auc"])
    again = statistics({name: column.clone() for name, column in columns.items()}, weights.clone())
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["auc"], statistics(columns, weights.flip(0))["auc"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-20, 20), st.booleans()), min_size=2, max_size=60))
def test_invariance(sample):
    score = torch.tensor([s for s, _ in sample], dtype=torch.float64)
    member = torch.tensor([m for _, m in sample], dtype=torch.float64)
    if member.min() == member.max():
        return
    columns = columns_of(score, member)
    here = statistics(columns, ones(columns))
    for rising in (score * 3 + 7, score.div(5).exp(), score**3):
        for name, value in statistics({**columns, "score": rising}, ones(columns)).items():
            assert torch.equal(value.nan_to_num(-1), here[name].nan_to_num(-1)), name
    order = torch.randperm(len(score), generator=torch.Generator().manual_seed(0))
    mixed = {name: column[order] for name, column in columns.items()}
    for name, value in statistics(mixed, ones(columns)).items():
        assert float(value) == pytest.approx(float(here[name]), abs=1e-12, nan_ok=True), name
    swapped = {**columns, "score": -score}
    auc = create("metric", "auc").statistic
    assert float(auc(swapped, ones(columns))) == pytest.approx(1 - float(here["auc"]), abs=1e-12)
    balanced = float(here["balanced-accuracy"])
    assert np.isnan(balanced) or 0 <= balanced <= 1


def test_extremes():
    perfect = columns_of(torch.arange(40.0).double(), (torch.arange(40) >= 20).double())
    found = {name: float(value) for name, value in statistics(perfect, ones(perfect)).items()}
    assert found["auc"] == found["tpr"] == 1.0
    # The best threshold of one half may miss one of the other's twenty.
    assert found["balanced-accuracy"] >= 0.975
    constant = {**perfect, "score": torch.zeros(40).double()}
    values = {name: float(value) for name, value in statistics(constant, ones(constant)).items()}
    assert values == {"auc": 0.5, "balanced-accuracy": 0.5, "tpr": 0.0}


def test_replicates_without_a_side_are_nan_and_left_out_of_the_interval():
    columns = make(5, 5)
    weights = torch.stack([columns["member"], 1 - columns["member"], torch.ones(10).double()])
    for name, value in statistics(columns, weights).items():
        assert value[:2].isnan().all(), name
        assert value[2].isfinite(), name
    draws = metric_draws(create("metric", "auc"), columns, weights[[2, 0, 1, 2]], None, 0)
    low, high = figure_interval(create("metric", "auc"), columns, draws)
    assert low == high == pytest.approx(float(statistics(columns, weights)["auc"][2]))


def test_balanced_accuracy_is_not_optimistic():
    samples = [make(1000, 1000, shift=0.0, seed=s) for s in range(200)]
    null = [float(create("metric", "balanced-accuracy").statistic(c, ones(c))) for c in samples]
    error = np.std(null) / np.sqrt(len(null))
    assert error < 0.001
    # The best threshold on the candidates that are scored is as optimistic as the docstring says.
    curves = [roc(c, ones(c)) for c in samples]
    best = [0.5 + float((true - false).max()) / 2 for true, false in curves]
    assert np.mean(best) - 0.5 == pytest.approx(0.44 / np.sqrt(1000), abs=0.001)
    assert np.mean(null) == pytest.approx(0.5, abs=4 * error)
    columns = make(1000, 1000, shift=1.0)
    # At the midpoint of two normals one standard deviation apart.
    assert float(statistics(columns, ones(columns))["balanced-accuracy"]) == pytest.approx(
        norm.cdf(0.5), abs=0.02
    )


@pytest.mark.parametrize(
    ("name", "fpr", "needed"), [("tpr-at-1-fpr", 0.01, 1000), ("tpr-at-01-fpr", 0.001, 10000)]
)
def test_tpr_is_not_quoted_below_what_the_sample_resolves(name, fpr, needed):
    metric = create("metric", name)
    few, enough = make(50, needed - 1), make(50, needed)
    assert metric.unresolved(few) == f"needs at least {needed} non-members, has {needed - 1}"
    assert metric.statistic(few, ones(few)).isnan().all()
    assert metric.exact(few) is None
    assert metric.unresolved(enough) is None
    score, member = enough["score"].numpy(), enough["member"].numpy()
    # The ten highest non-members may be accused, the eleventh not.
    threshold = np.sort(score[member == 0])[::-1][10]
    wanted = (score[member == 1] > threshold).mean()
    assert float(metric.statistic(enough, ones(enough))) == pytest.approx(wanted, abs=1e-12)


def test_tpr_interval_holds_value_and_bootstrap():
    columns = make(800, 1500, decimals=2)
    metric = create("metric", "tpr-at-1-fpr")
    value = float(metric.statistic(columns, ones(columns)))
    weights = torch.cat([ones(columns), resample_weights(2300, None, 300, seed=1)])
    low, high = figure_interval(metric, columns, metric_draws(metric, columns, weights, None, 0))
    assert low < value < high
    exact = exact_interval(columns, 0.01)
    assert low <= exact[0]
    assert high >= exact[1]
    # An attack that finds nobody still leaves room for what the sample cannot exclude.
    nothing = {"score": -columns["member"] + 0.1 * columns["score"] / 9, "member": columns["member"]}
    assert float(metric.statistic(nothing, ones(nothing))) == 0.0
    low, high = exact_interval(nothing, 0.01)
    assert low == 0.0
    assert 0.003 < high < 0.02


@pytest.mark.parametrize("decimals", [None, 1])
def test_exact_interval_covers(decimals):
    # Normal scores shifted by 1: the rate at 5% false positives is known.
    fpr, rounds = 0.05, 400
    if decimals is None:
        true_rate = norm.sf(norm.isf(fpr) - 1)
    else:
        # The highest threshold of rounded scores that lets at most 5% through.
        threshold = next(t for t in np.arange(0, 4, 0.1) if norm.sf(t - 0.05) <= fpr)
        true_rate = norm.sf(threshold - 0.05 - 1)
    inside = 0
    for seed in range(rounds):
        low, high = exact_interval(make(150, 200, decimals=decimals, seed=seed), fpr)
        inside += low <= true_rate <= high
    assert inside / rounds >= 0.95


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_an_error(name):
    metric = create("metric", name)
    truth = Truth(members=torch.tensor([True, False, True]))
    for bad in (torch.nan, torch.inf):
        with pytest.raises(PrivbenchError, match="NaN"):
            metric.columns(truth, torch.tensor([0.0, bad, 1.0]), CPU)
    with pytest.raises(PrivbenchError, match="scores for"):
        metric.columns(truth, torch.zeros(2), CPU)
    with pytest.raises(PrivbenchError, match="truth does not hold"):
        metric.columns(Truth(attributes=torch.zeros(3, 1)), torch.zeros(3), CPU)
    for members in (torch.ones(3).bool(), torch.zeros(3).bool()):
        with pytest.raises(DataError, match="needs both"):
            metric.columns(Truth(members=members), torch.zeros(3), CPU)
    columns = metric.columns(truth, torch.tensor([0, 1, 2]), CPU)
    assert {name: (c.dtype, c.tolist()) for name, c in columns.items()} == {
        "score": (torch.float64, [0.0, 1.0, 2.0]),
        "member": (torch.float64, [1.0, 0.0, 1.0]),
        **({"half": (torch.float64, [1.0, 1.0, 0.0])} if name == "balanced-accuracy" else {}),
    }


def test_identities_widen_the_interval():
    # Twenty identities whose ten pictures share one score: the information is in twenty, not 200.
    rng = np.random.default_rng(0)
    member = np.repeat(np.arange(20) % 2, 10)
    score = np.repeat(rng.normal(size=20), 10) + 0.5 * member
    columns = {"score": torch.from_numpy(score), "member": torch.from_numpy(member).double()}
    auc = create("metric", "auc")
    people = torch.arange(20).repeat_interleave(10)

    def width(clusters):
        weights = torch.cat([ones(columns), resample_weights(200, clusters, 1000, 0)])
        low, high = figure_interval(auc, columns, metric_draws(auc, columns, weights, clusters, 0))
        return high - low

    assert width(people) > 2 * width(None)
