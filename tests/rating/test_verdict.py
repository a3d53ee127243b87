from dataclasses import replace

import pytest
import torch

from privbench.rating.rating import Rating
from privbench.rating.verdict import verdicts
from privbench.stats.bootstrap import Interval

RECONSTRUCTION, MEMBERSHIP = "reconstruction", "membership"


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
