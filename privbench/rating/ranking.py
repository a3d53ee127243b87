"""Ranks: by upper bound, shared where intervals overlap."""

from __future__ import annotations

from collections.abc import Mapping

from privbench.core.controls import CONTROLS
from privbench.rating.rating import Rating
from privbench.stats.bootstrap import Interval


def ranks(ratings: Mapping[str, Rating]) -> dict[str, int]:
    """Ranks of the rated defenses by upper bound, least leakage first; controls have none.

    A defense whose interval overlaps with that of its group's first shares the first's rank.
    """
    order = sorted(ratings, key=lambda d: rank_order(d, ratings[d]))
    rated = {d: leak for d in order if (leak := ratings[d].leakage) is not None and d not in CONTROLS}
    found: dict[str, int] = {}
    leader: Interval | None = None
    rank = 0
    for place, (defense, mine) in enumerate(rated.items(), start=1):
        if leader is None or mine.low > leader.high or leader.low > mine.high:
            leader, rank = mine, place
        found[defense] = rank
    return found


def rank_order(defense: str, rating: Rating) -> tuple[int, float, str]:
    """Sort key of a board: rated defenses by bound, unrated ones, then the controls."""
    if defense in CONTROLS:
        return 2, 0.0, defense
    if rating.leakage is None:
        return 1, 0.0, defense
    return 0, round(rating.leakage.bound, 9), defense
