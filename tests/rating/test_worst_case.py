from dataclasses import replace

import pytest
import torch
from factory import controls, defended, membership_columns, psnr_columns, recognition_columns, result

from privbench.rating.cells import Cells
from privbench.rating.certification import certify
from privbench.rating.ranking import marks, rank_order, ranks
from privbench.rating.rating import Rating
from privbench.rating.worst_case import overall, rate
from privbench.stats.bootstrap import Interval

GAME = "reconstruction"


def rated(results, defense="x", game=GAME):
    cells = Cells(results)
    return rate(cells, defense, game, certify(cells, game))


def test_hand_computed():
    found = rated([*controls(), *defended("x", 18)])
    assert found.status == "RATED"
    assert found.leakage.value == pytest.approx((18 - 10) / (30 - 10))
    assert found.leakage.low < found.leakage.value < found.leakage.bound <= found.leakage.high
    assert (found.attack, found.metric, found.game, found.seeds) == ("restoration", "psnr", GAME, (0,))


def test_the_data_itself_is_broken_and_blackout_leaks_nothing():
    assert rated(controls(), "none").status == "BROKEN"
    assert rated(controls(), "none").leakage.value == 1
    null = rated(controls(), "blackout")
    assert null.status == "RATED"
    assert null.leakage.bound == 0


def test_worst_over_metrics_a_low_psnr_hides_no_recognition():
    def both(psnr, hits, noise=0):
        return {**psnr_columns(psnr, noise=noise), **recognition_columns(hits)}

    results = [
        result("none", "blind", both(10, 6)), result("none", "restoration", both(40, 60, 1)),
        result("blackout", "blind", both(10, 6)), result("blackout", "restoration", both(10, 6)),
        result("x", "blind", both(10, 6)), result("x", "restoration", both(12, 57, 2)),
    ]  # fmt: skip
    found = rated(results)
    assert (found.metric, found.status) == ("recognition", "BROKEN")
    assert found.leakage.value == pytest.approx((57 - 6) / (60 - 6))


def test_maximum_is_inside_the_replicate():
    results = [*controls(), *controls(attack="second")[1::2], *defended("x", 18)]
    alone = rated(results)
    both = rated([*results, result("x", "second", psnr_columns(18, noise=5))])
    assert both.leakage.value == pytest.approx(alone.leakage.value)
    assert (both.draws >= alone.draws - 1e-12).all()
    assert both.leakage.bound > alone.leakage.bound


def test_attacks_without_certificate_do_not_rate():
    cheat = [result(d, "cheat", psnr_columns(29)) for d in ("none", "blackout", "x")]
    found = rated([*controls(), *defended("x", 18), *cheat])
    assert found.attack == "restoration"


@pytest.mark.parametrize(
    ("results", "reason"),
    [
        (defended("x", 18), "no result of blind on none"),
        ([*controls(), result("x", "blind", psnr_columns(10))], "no certified attack applies"),
        ([*controls(), result("x", "restoration", psnr_columns(18))], "no result of blind on this defense"),
        ([*controls(ceiling=10), *defended("x", 18)], "does not beat blind"),
        ([*controls(), *defended("x", 41, floor=40)], "the ceiling is not above the floor"),
        ([*controls(seed=0), *defended("x", 18, seed=1)], "no seed is shared"),
    ],
)
def test_unrated_says_why(results, reason):
    found = rated(results)
    assert found.status == "UNRATED"
    assert reason in found.reason
    assert found.leakage is None


def test_a_game_without_a_surface_is_no_pass():
    na = [
        result("x", a, status="not-applicable", reason="exposes no images") for a in ("blind", "restoration")
    ]
    found = rated([*controls(), *na])
    assert (found.status, found.leakage) == ("NOT EXPOSED", None)
    assert rated(controls(), "y").status == "NOT RUN"
    assert overall({GAME: found}).status == "UNRATED"


def test_an_attack_that_does_not_apply_beside_one_that_does():
    na = result("x", "second", status="not-applicable", reason="needs weights")
    assert rated([*controls(), *defended("x", 18), na]).status == "RATED"


def test_failed_attacks_are_noted():
    failed = result("x", "second", status="failed", reason="boom")
    found = rated([*controls(), *defended("x", 18), failed])
    assert found.status == "RATED"
    assert any("second failed" in note for note in found.notes)


def test_only_shared_seeds_count_and_the_others_are_named():
    results = [*controls(0), *controls(1), *defended("x", 18, seed=0), *defended("x", 28, seed=1)]
    assert rated(results).leakage.value == pytest.approx((0.4 + 0.9) / 2)
    lost = [r for r in results if not (r.record.cell.seed == 1 and r.record.cell.defense == "none")]
    found = rated(lost)
    assert found.seeds == (0,)
    assert found.leakage.value == pytest.approx(0.4)
    assert any("seeds 1 left out" in note for note in found.notes)


def test_seeds_that_disagree_widen_the_interval():
    close = rated([*controls(0), *controls(1), *defended("x", 18, seed=0), *defended("x", 18, seed=1)])
    apart = rated([*controls(0), *controls(1), *defended("x", 14, seed=0), *defended("x", 22, seed=1)])
    assert apart.leakage.value == pytest.approx(close.leakage.value)
    assert apart.leakage.high - apart.leakage.low > 3 * (close.leakage.high - close.leakage.low)


def test_overall_is_the_worst_game():
    member = [
        result(d, a, membership_columns(s), game="membership")
        for d, a, s in [
            ("none", "lira", 3.0), ("none", "blind", 0.0), ("blackout", "lira", 0.0),
            ("blackout", "blind", 0.0), ("x", "lira", 0.5), ("x", "blind", 0.0),
        ]
    ]  # fmt: skip
    cells = Cells([*controls(), *defended("x", 26), *member])
    ratings = {g: rate(cells, "x", g, certify(cells, g)) for g in ("membership", GAME)}
    both = overall(ratings)
    assert both.game == GAME
    assert both.leakage.value == max(r.leakage.value for r in ratings.values())
    assert both.leakage.bound >= max(r.leakage.bound for r in ratings.values()) - 1e-12
    assert torch.equal(both.draws, torch.maximum(*(r.draws for r in ratings.values())))


def leak(low, value, high):
    return Rating("RATED", leakage=Interval(value, low, high, (value + high) / 2))


def test_ranks_are_shared_with_the_group_leader_only():
    # b overlaps a; c overlaps b but not a; d stands alone.
    found = ranks(
        {
            "d": leak(0.8, 0.85, 0.9),
            "c": leak(0.31, 0.4, 0.5),
            "a": leak(0.0, 0.1, 0.2),
            "b": leak(0.15, 0.25, 0.35),
        }
    )
    assert found == {"a": 1, "b": 1, "c": 3, "d": 4}


def test_controls_and_unrated_have_no_rank():
    found = ranks(
        {"none": leak(1, 1, 1), "blackout": leak(0, 0, 0), "x": leak(0.1, 0.2, 0.3), "y": Rating("UNRATED")}
    )
    assert found == {"x": 1}


def test_a_pass_of_no_use_does_not_lead():
    useless, good, broken = leak(0.0, 0.05, 0.1), leak(0.2, 0.3, 0.4), leak(0.9, 0.95, 1.0)
    broken = replace(broken, status="BROKEN")
    assert marks(useless, 0.05, None) == ("no utility",)
    assert marks(useless, 0.9, useless.leakage.bound) == ("below resolution",)
    assert marks(good, 0.9, 0.2) == marks(good, None, None) == ()
    ratings = {"useless": useless, "good": good, "broken": broken}
    marked = {"useless": ("no utility",), "broken": ("no utility",)}
    assert ranks(ratings, marked) == {"good": 1, "broken": 2}
    order = sorted(ratings, key=lambda d: rank_order(d, ratings[d], marked.get(d, ())))
    assert order == ["good", "useless", "broken"]
