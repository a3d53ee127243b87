from dataclasses import replace

import pytest
from factory import controls, membership_columns, psnr_columns, result

from privbench.core.records import STILL_IMPROVING
from privbench.rating.cells import Cells, Pairing
from privbench.rating.certification import certify, rating_metrics
from privbench.rating.leakage import oriented
from privbench.rating.worst_case import rate
from privbench.stats.bootstrap import lower_bound

GAME = "reconstruction"


def only(results):
    (certificate,) = certify(Cells(results), GAME)
    return certificate


def without(results, defense, attack):
    return [r for r in results if (r.record.cell.defense, r.record.cell.attack) != (defense, attack)]


def test_wins_on_none_and_is_at_chance_on_blackout():
    found = only(controls())
    assert found.certified
    assert found.win == pytest.approx(20, abs=0.5)
    assert found.null == pytest.approx(0, abs=1e-9)
    assert found.seeds == (0,)


def test_an_attack_that_does_not_beat_blind_is_not_certified():
    found = only(controls(ceiling=10))
    assert not found.certified
    assert "does not beat blind on none" in found.reason


def test_an_attack_that_finds_something_where_nothing_is_is_not_certified():
    results = [
        *without(controls(), "blackout", "restoration"),
        result("blackout", "restoration", psnr_columns(14)),
    ]
    found = only(results)
    assert not found.certified
    assert "beats blind on blackout" in found.reason
    assert found.null == pytest.approx(4, abs=0.01)


FLAG = f"{STILL_IMPROVING}: loss"


@pytest.mark.parametrize("defense", ["none", "blackout"])
def test_an_attack_that_was_still_improving_on_a_control_is_not_certified(defense):
    assert only(controls()).certified
    found = only(replace_record(controls(), defense, flags=(FLAG, "constant-guess")))
    assert not found.certified
    assert found.reason == f"was still improving when its budget was spent on {defense}: give it more"
    assert only(replace_record(controls(), defense, flags=("constant-guess",))).certified


def test_what_was_still_improving_on_a_defense_counts_as_a_lower_bound_and_is_noted():
    results = [
        *controls(),
        result("vim", "restoration", psnr_columns(20)),
        result("vim", "blind", psnr_columns(10)),
    ]
    ratings = []
    for shown in (results, replace_record(results, "vim", flags=(FLAG,))):
        cells = Cells(shown)
        ratings.append(rate(cells, "vim", GAME, certify(cells, GAME)))
    whole, early = ratings
    assert whole.notes == ()
    assert early.notes == (
        f"{GAME}: restoration was still improving when its budget was spent: at least this leaks",
    )
    assert early.leakage == whole.leakage


def replace_record(results, defense, **changes):
    return [
        replace(r, record=r.record.model_copy(update=changes))
        if (r.record.cell.defense, r.record.cell.attack) == (defense, "restoration")
        else r
        for r in results
    ]


@pytest.mark.parametrize(
    ("defense", "attack", "reason"),
    [
        ("none", "blind", "no result of blind on none"),
        ("blackout", "blind", "no result of blind on blackout"),
        ("blackout", "restoration", "no result on blackout"),
        ("none", "restoration", "no result on none"),
    ],
)
def test_missing_controls_are_named(defense, attack, reason):
    found = only(without(controls(), defense, attack))
    assert not found.certified
    assert reason in found.reason


@pytest.mark.parametrize(
    ("status", "reason"), [("failed", "failed on none"), ("not-applicable", "does not apply to none")]
)
def test_unfinished_controls_are_named(status, reason):
    results = [
        *without(controls(), "none", "restoration"),
        result("none", "restoration", status=status, reason="why"),
    ]
    assert reason in only(results).reason


def test_controls_must_share_a_seed():
    results = [
        *without(controls(), "none", "restoration"),
        result("none", "restoration", psnr_columns(40), seed=1),
    ]
    assert "no seed is shared" in only(results).reason


def test_the_paired_difference_counts_not_the_scores_spread():
    # Scores vary by 10 dB between images, the gain of 0.5 dB is the same on every image.
    results = [
        result("none", "blind", psnr_columns(15, spread=10)),
        result("none", "restoration", psnr_columns(15.5, spread=10)),
        result("blackout", "blind", psnr_columns(15)),
        result("blackout", "restoration", psnr_columns(15)),
    ]
    for r in results:
        r.columns["psnr"]["psnr"].clamp_(max=29)
    assert only(results).certified


def test_nulls_are_rarely_refused():
    # An attack at chance passes the null control in about 99 of 100 draws.
    refused = 0
    for draw in range(40):
        cells = Cells([
            result(d, a, membership_columns(s, noise=n), game="membership")
            for d, a, s, n in [
                ("none", "lira", 2.0, draw), ("none", "blind", 0.0, 1000 + draw),
                ("blackout", "lira", 0.0, 2000 + draw), ("blackout", "blind", 0.0, 3000 + draw),
            ]
        ])  # fmt: skip
        refused += not certify(cells, "membership")[0].certified
    assert refused <= 3


def test_the_null_level_grows_stricter_with_the_attacks_of_the_game():
    # Gain on blackout varies around zero: the bound falls as more attacks share the 1%.
    def null(others):
        results = [
            *without(controls(), "blackout", "restoration"),
            result("blackout", "restoration", psnr_columns(10, noise=4)),
            *(result(d, f"other-{i}", psnr_columns(10, noise=9)) for d in ("none", "blackout") for i in range(others)),
        ]  # fmt: skip
        return next(c.null for c in certify(Cells(results), GAME) if c.attack == "restoration")

    gain = Cells([*controls(), result("blackout", "chance", psnr_columns(10, noise=4))])
    floor, chance = (oriented(gain, Pairing(GAME, "blackout", a), "psnr", [0]) for a in ("blind", "chance"))
    for others in (0, 4):
        assert null(others) == pytest.approx(lower_bound(chance - floor, 1 - 0.01 / (1 + others)))
    assert null(4) < null(0) < 0


def test_only_metrics_that_rate_are_certified():
    results = controls()
    results[1].columns["vfe"] = {"vfe": results[1].columns["psnr"]["psnr"]}
    assert rating_metrics(Cells(results), GAME) == ["psnr"]


def test_an_attack_that_finds_something_on_every_seed_is_refused_though_seeds_differ():
    # Student's t with two degrees of freedom would let any attack pass at the null's level.
    results = [r for s in range(3) for r in without(controls(s), "blackout", "restoration")]
    results += [result("blackout", "restoration", psnr_columns(12 + 2 * s), seed=s) for s in range(3)]
    found = only(results)
    assert not found.certified
    assert "beats blind on blackout" in found.reason
