import pytest
import torch
from factory import result

from privbench.core.records import Figure
from privbench.rating.board import make_boards
from privbench.rating.combine import combine

TPR = "tpr-at-1-fpr"


def figures(*limits):
    return [Figure(value=value, low=low, high=high, n=50) for value, low, high in limits]


def limits(figure):
    return figure.value, figure.low, figure.high


def test_exact_bounds_are_averaged_as_they_are():
    found = combine(TPR, figures((0, 0, 0.195), (0, 0, 0.124), (0, 0, 0.149)))
    assert limits(found) == pytest.approx((0, 0, 0.156))
    assert found.n == 150


def test_three_intervals_that_know_nothing_know_nothing_together():
    assert limits(combine(TPR, figures(*[(0, 0, 1)] * 3))) == (0, 0, 1)


def test_a_row_of_the_board_has_the_mean_of_exact_bounds():
    results = []
    for seed, high in enumerate((0.195, 0.124, 0.149)):
        columns = {"score": torch.zeros(100, dtype=torch.float64), "member": (torch.arange(100) % 2).double()}
        made = result("blackout", "lira", {TPR: columns}, game="membership", seed=seed)
        record = made.record.model_copy(update={"figures": {TPR: figures((0, 0, high))[0]}})
        results.append(type(made)(record, made.columns, made.clusters))
    (board,) = make_boards(results)
    assert limits(board.cells[0].figures[TPR]) == pytest.approx((0, 0, 0.156))


@pytest.mark.parametrize(("metric", "least"), [("accuracy", 0), ("mcc", -1)])
def test_limits_never_leave_the_metrics_bounds(metric, least):
    found = combine(metric, figures((0.9, 0.5, 1.0), (-0.9 * -least, least, 0)))
    assert (found.low, found.high) == (least, 1)


def test_one_seed_keeps_its_interval_and_none_its_note():
    assert limits(combine("accuracy", figures((0.5, 0.4, 0.7)))) == (0.5, 0.4, 0.7)
    assert combine("accuracy", [Figure(value=None, note="why")]).note == "why"


def test_the_variance_within_seeds_counts_once():
    # Seeds that differ by less than their samples explain: only the samples' variance is left.
    alike = combine("accuracy", figures((0.49, 0.4, 0.6), (0.5, 0.4, 0.6), (0.51, 0.4, 0.6)))
    assert alike.high - alike.low == pytest.approx(0.2 / 3**0.5)


def test_seeds_without_samples_give_a_t_interval():
    found = combine("accuracy", figures((0.4, 0.4, 0.4), (0.5, 0.5, 0.5), (0.6, 0.6, 0.6)))
    assert (found.low, found.high) == pytest.approx((0.5 - 0.2484, 0.5 + 0.2484), abs=1e-4)


@pytest.mark.parametrize(("between", "within"), [(1, 0), (1, 0.5), (1, 1), (0, 1)])
def test_three_seeds_hold_the_truth_about_as_often_as_they_say(between, within):
    generator = torch.Generator().manual_seed(0)
    scale = 0.01
    held = 0
    for _ in range(1000):
        noise = torch.randn(2, 3, generator=generator)
        values = (0.5 + scale * (between * noise[0] + within * noise[1])).tolist()
        half = 1.96 * within * scale
        found = combine("accuracy", figures(*((v, v - half, v + half) for v in values)))
        held += found.low <= 0.5 <= found.high
    assert 0.89 < held / 1000 < 0.985
