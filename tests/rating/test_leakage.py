import pytest
import torch
from factory import controls, defended, psnr_columns, result
from hypothesis import given
from hypothesis import strategies as st

from privbench.rating.cells import Cells, Pairing
from privbench.rating.leakage import best, floor_and_ceiling, leakage, oriented

GAME = "reconstruction"


def t(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("score", "floor", "ceiling", "expected"),
    [(19.18, 11.86, 30.0, 0.4035), (5, 10, 30, 0), (35, 10, 30, 1), (10, 10, 30, 0), (30, 10, 30, 1)],
)
def test_worked_examples(score, floor, ceiling, expected):
    assert float(leakage(t(score), t(floor), t(ceiling))[0]) == pytest.approx(expected, abs=1e-4)


def test_limit_where_there_is_no_room():
    assert leakage(t(1, 1, 0), t(0, 1, 1), t(0, 1, 1)).tolist() == [1, 0, 0]


def test_what_is_not_known_stays_unknown():
    assert leakage(t(torch.nan), t(0), t(1)).isnan().all()


@given(*[st.floats(-100, 100)] * 3)
def test_leakage_is_between_0_and_1(score, floor, ceiling):
    assert 0 <= float(leakage(t(score), t(floor), t(ceiling))[0]) <= 1


@given(st.floats(-50, 50), st.floats(0.1, 10), st.floats(-5, 15))
def test_leakage_does_not_depend_on_unit_or_offset(offset, unit, score):
    plain = leakage(t(score), t(0), t(10))
    assert torch.allclose(
        plain, leakage(t(offset + unit * score), t(offset), t(offset + unit * 10)), atol=1e-9
    )


def test_psnr_is_capped_per_sample_before_the_mean():
    columns = {"psnr": {"psnr": t(*[10.0] * 30, *[100.0] * 30)}}
    cells = Cells([result("x", "a", columns)])
    pairing = Pairing(GAME, "x", "a")
    assert float(cells.average(pairing, "psnr", [0], capped=False)[0]) == pytest.approx(55)
    assert float(cells.average(pairing, "psnr", [0], capped=True)[0]) == pytest.approx(20)


def test_floor_is_the_best_blind_attack_and_ceiling_the_best_certified_one():
    results = [
        *controls(),
        *defended("x", 20),
        result("x", "blind[image=median]", psnr_columns(12)),
        result("none", "weak", psnr_columns(25, noise=3)),
    ]
    floor, ceiling = floor_and_ceiling(Cells(results), GAME, "x", "psnr", ["weak"], [0])
    assert float(floor[0]) == pytest.approx(12)
    assert float(ceiling[0]) == pytest.approx(25)
    _, ceiling = floor_and_ceiling(Cells(results), GAME, "x", "psnr", ["weak", "restoration"], [0])
    assert float(ceiling[0]) == pytest.approx(30)


def test_best_is_taken_inside_each_replicate():
    cells = Cells([result("x", "a", psnr_columns(20, noise=1)), result("x", "b", psnr_columns(20, noise=2))])
    draws = {n: cells.average(Pairing(GAME, "x", n), "psnr", [0], capped=True) for n in "ab"}
    both = best(cells, GAME, "x", ["a", "b"], "psnr", [0])
    assert torch.equal(both, torch.maximum(draws["a"], draws["b"]))
    assert float(both[1:].mean()) > max(float(d[1:].mean()) for d in draws.values())


def test_metrics_that_fall_with_leakage_are_negated(monkeypatch):
    from privbench.metrics.psnr import Psnr

    cells = Cells([result("x", "a", psnr_columns(20))])
    monkeypatch.setattr(Psnr, "higher_is", "private")
    assert float(oriented(cells, Pairing(GAME, "x", "a"), "psnr", [0])[0]) == pytest.approx(-20)
