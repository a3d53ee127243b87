import io
from dataclasses import replace

import pytest
import torch
from factory import controls, defended, membership_columns, psnr_columns, result
from rich.console import Console

from privbench.core.threat import Game
from privbench.report.board import make_boards
from privbench.report.board_csv import defenses_csv
from privbench.report.board_markdown import board_markdown
from privbench.report.bootstrap import Interval
from privbench.report.plot import privacy_utility_png
from privbench.report.table import print_results
from privbench.report.verdict import verdicts
from privbench.report.worst_case import Rating

RECONSTRUCTION, MEMBERSHIP = Game.RECONSTRUCTION, Game.MEMBERSHIP


def rating(low, value, bound, game=RECONSTRUCTION):
    """A rating with draws that have about these quantiles."""
    draws = torch.tensor([value, low, *[value] * 18, bound, bound], dtype=torch.float64)
    status = "BROKEN" if bound > 0.8 else "RATED"
    return Rating(status, "", Interval(value, low, bound, bound), game, "a", "psnr", (0,), (), draws)


def statuses(ratings):
    games, worst = verdicts(ratings)
    return games["x"][RECONSTRUCTION].status, worst["x"].status


@pytest.mark.parametrize(
    ("mine", "null", "status"),
    [
        ((0.3, 0.5, 0.95), (0.0, 0.1, 0.5), "INCONCLUSIVE"),
        ((0.6, 0.7, 0.95), (0.0, 0.1, 0.5), "BROKEN"),
        ((0.3, 0.5, 0.75), (0.0, 0.1, 0.5), "RATED"),
    ],
)
def test_a_high_bound_is_broken_only_where_the_null_control_is_left_behind(mine, null, status):
    found = {"x": {RECONSTRUCTION: rating(*mine)}, "blackout": {RECONSTRUCTION: rating(*null)}}
    assert statuses(found) == (status, status)


@pytest.mark.parametrize("null", [{}, {"blackout": {RECONSTRUCTION: Rating("UNRATED", "why")}}])
def test_without_a_bound_of_the_null_control_it_is_broken(null):
    assert statuses({"x": {RECONSTRUCTION: rating(0.3, 0.5, 0.95)}, **null}) == ("BROKEN", "BROKEN")


def test_a_game_that_resolves_nothing_does_not_hide_what_another_shows():
    unresolved = rating(0.0, 0.1, 1.0, MEMBERSHIP)
    null = {RECONSTRUCTION: rating(0.0, 0.0, 0.1), MEMBERSHIP: unresolved}
    broken = {RECONSTRUCTION: rating(0.97, 0.98, 0.99), MEMBERSHIP: unresolved}
    assert statuses({"x": broken, "blackout": null}) == ("BROKEN", "BROKEN")
    slight = {RECONSTRUCTION: rating(0.11, 0.15, 0.2), MEMBERSHIP: unresolved}
    assert statuses({"x": slight, "blackout": null}) == ("RATED", "INCONCLUSIVE")


def test_nothing_but_the_status_changes():
    mine = rating(0.3, 0.5, 0.95)
    games, _ = verdicts({"x": {RECONSTRUCTION: mine}, "blackout": {RECONSTRUCTION: rating(0, 0.1, 0.5)}})
    assert games["x"][RECONSTRUCTION] == replace(mine, status="INCONCLUSIVE")


def unclear():
    """A membership board of 24 candidates: nothing but the controls' ceiling is certain."""
    found = []
    for defense, shift in (("none", 3.0), ("blackout", 0.0), ("x", 1.6)):
        blind = membership_columns(0.0, count=24)
        blind["auc"]["score"] = torch.zeros(24, dtype=torch.float64)
        lira = membership_columns(shift, count=24, noise=5)
        found += [
            result(defense, a, c, game=MEMBERSHIP, guarantee={"epsilon": 8.0, "delta": 1e-5})
            for a, c in (("blind", blind), ("lira", lira))
        ]
    return found


def test_inconclusive_is_told_wherever_statuses_are(monkeypatch):
    (board,) = make_boards(unclear())
    row = next(row for row in board.defenses if row.defense == "x")
    assert row.overall.status == "INCONCLUSIVE"
    page = board_markdown(board)
    assert "| `x` | INCONCLUSIVE |" in page
    assert "**INCONCLUSIVE**" in page
    assert "x,no,INCONCLUSIVE," in defenses_csv(board)
    out = io.StringIO()
    print_results(unclear(), Console(file=out, width=200))
    assert "INCONCLUSIVE: too few samples" in out.getvalue()
    named = []
    from matplotlib.axes import Axes

    plain = Axes.errorbar
    monkeypatch.setattr(Axes, "errorbar", lambda *a, **k: named.append(k["label"]) or plain(*a, **k))
    assert privacy_utility_png(board)
    assert "1  x (inconclusive)" in named


def test_the_page_says_what_the_board_resolves():
    (board,) = make_boards(unclear())
    bound = next(row for row in board.defenses if row.defense == "blackout").overall.leakage.bound
    assert board.resolution() == board.resolution(MEMBERSHIP) == bound > 0
    assert f"leakage below {bound:.3f} cannot be told from none here" in board_markdown(board)
    (bare,) = make_boards(defended("x", 18))
    assert bare.resolution() is None
    assert "**Resolution**: unknown" in board_markdown(bare)


def test_the_membership_section_says_what_the_adversary_sees():
    page = board_markdown(make_boards(unclear())[0])
    assert "it does not see the released\nimages" in page.split("## Membership game")[1]
    other = board_markdown(make_boards([*controls(), *defended("x", 18)])[0])
    assert "it does not see" not in other.split("## Reconstruction game")[1]


def test_each_game_prints_floor_and_ceiling_as_means_over_seeds():
    results = [*controls(0, ceiling=28), *controls(1, ceiling=26), *defended("x", 18)]
    page = board_markdown(make_boards(results)[0])
    assert "psnr: floor 10.00, ceiling " in page
    assert "ceiling 26.9" in page or "ceiling 27.0" in page
    ranged = board_markdown(make_boards([*results, *defended("y", 18, floor=12.5)])[0])
    assert "psnr: floor 10.00 to 12.50, ceiling " in ranged


def test_a_ceiling_is_of_certified_attacks_only():
    results = [result("none", "blind", psnr_columns(10)), result("none", "a", psnr_columns(40))]
    assert "psnr: floor 10.00, ceiling none" in board_markdown(make_boards(results)[0])


def test_the_guarantee_says_per_what():
    page = board_markdown(make_boards(unclear())[0])
    assert "ε = 8, δ = 1e-05 per image" in page
    assert "one training image added or removed" in page
