"""A rating: how a defense fares, in one game or over all games."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch

from privbench.stats.bootstrap import Interval

BROKEN_ABOVE = 0.8
"""A bound on leakage above this is no pass."""

RatingStatus = Literal["RATED", "BROKEN", "INCONCLUSIVE", "UNRATED", "NOT EXPOSED", "NOT RUN"]


@dataclass(frozen=True)
class Rating:
    """How a defense fares in one game, or over all games.

    Attributes:
        status: ``INCONCLUSIVE``, ``UNRATED``, ``NOT EXPOSED`` and ``NOT RUN`` are never a pass.
        reason: why there is no leakage; empty if there is.
        leakage: in [0, 1], with interval and bound.
        game, attack, metric: where the point estimate is largest.
        seeds: the seeds that all cells behind the figure share.
        notes: what was left out, and why.
        draws: [1 + R], the estimate and its replicates.
    """

    status: RatingStatus
    reason: str = ""
    leakage: Interval | None = None
    game: str | None = None
    attack: str = ""
    metric: str = ""
    seeds: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    draws: torch.Tensor | None = field(default=None, compare=False, repr=False)
