"""Verdicts: whether a high bound shows a leak, or only that there were too few samples.

The null control ``blackout`` leaks nothing, so that its own bound is what a board cannot resolve.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from privbench.core.controls import NULL
from privbench.rating.rating import Rating
from privbench.rating.worst_case import overall

Ratings = Mapping[str, Mapping[str, Rating]]


def verdicts(ratings: Ratings) -> tuple[dict[str, dict[str, Rating]], dict[str, Rating]]:
    """The ratings by defense and game, and over all games, judged against the null control's."""
    nulls = ratings.get(NULL, {})
    null = overall(nulls) if nulls else None
    games = {d: {g: _judged(r, nulls.get(g)) for g, r in mine.items()} for d, mine in ratings.items()}
    return games, {d: _over_all(mine, null) for d, mine in games.items()}


def resolution(null: Rating | None) -> float | None:
    """Leakage below this cannot be told from none: the null control's bound, None without one."""
    return None if null is None or null.leakage is None else null.leakage.bound


def _over_all(games: Mapping[str, Rating], null: Rating | None) -> Rating:
    # A game that resolves nothing widens both overall intervals; it must not hide what another shows.
    worst = overall(games)
    return worst if any(r.status == "BROKEN" for r in games.values()) else _judged(worst, null)


def _judged(rating: Rating, null: Rating | None) -> Rating:
    least = resolution(null)
    if rating.status != "BROKEN" or rating.leakage is None or least is None or rating.leakage.low > least:
        return rating
    return replace(rating, status="INCONCLUSIVE")
