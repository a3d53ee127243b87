"""Ranks: by upper bound, shared where intervals overlap; a pass that is of no use has none."""

from __future__ import annotations

from collections.abc import Mapping

from privbench.core.controls import CONTROLS
from privbench.rating.rating import Rating
from privbench.stats.bootstrap import Interval

NO_UTILITY = 0.1
"""Whoever keeps less than this of what the plain model knows beyond guessing protects nothing of use."""


def marks(rating: Rating, relative_utility: float | None, least: float | None) -> tuple[str, ...]:
    """Why a pass does not lead a board.

    Args:
        rating: over all games.
        relative_utility: in [0, 1], None where it is unknown.
        least: the board's resolution, None where it is unknown.
    """
    found = []
    if relative_utility is not None and relative_utility < NO_UTILITY:
        found.append("no utility")
    if least is not None and rating.leakage is not None and rating.leakage.bound <= least:
        found.append("below resolution")
    return tuple(found)


def ranks(
    ratings: Mapping[str, Rating], marked: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, int]:
    """Ranks of the rated defenses by upper bound, least leakage first; controls and marked passes have none.

    A defense whose interval overlaps with that of its group's first shares the first's rank.
    """
    marked = marked or {}
    order = sorted(ratings, key=lambda d: rank_order(d, ratings[d], marked.get(d, ())))
    rated = {
        d: leak
        for d in order
        if (leak := ratings[d].leakage) is not None
        and d not in CONTROLS
        and not _beside(ratings[d], marked.get(d))
    }
    found: dict[str, int] = {}
    leader: Interval | None = None
    rank = 0
    for place, (defense, mine) in enumerate(rated.items(), start=1):
        if leader is None or mine.low > leader.high or leader.low > mine.high:
            leader, rank = mine, place
        found[defense] = rank
    return found


def rank_order(defense: str, rating: Rating, marked: tuple[str, ...] = ()) -> tuple[int, float, str]:
    """Sort key of a board: passes by bound, marked passes, others by bound, unrated ones, then controls."""
    if defense in CONTROLS:
        return 4, 0.0, defense
    if rating.leakage is None:
        return 3, 0.0, defense
    place = 1 if _beside(rating, marked) else 0 if rating.status == "RATED" else 2
    return place, round(rating.leakage.bound, 9), defense


def _beside(rating: Rating, marked: tuple[str, ...] | None) -> bool:
    return bool(marked) and rating.status == "RATED"
