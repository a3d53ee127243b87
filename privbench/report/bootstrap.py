"""Paired bootstrap over samples (or whole identities) within seeds, and the intervals of its draws.

A *draws* tensor is float64 [1 + R]: the point estimate first, then R replicates. Sums,
differences and maxima of draws therefore treat the estimate and every replicate alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from privbench.core.seeds import derive_seed
from privbench.core.threat import Game

REPLICATES = 1000


@dataclass(frozen=True)
class Interval:
    """An estimate, its two-sided 95% interval and its one-sided 95% upper bound."""

    value: float
    low: float
    high: float
    bound: float


def challenge_weights(game: Game, seed: int, count: int, clusters: torch.Tensor | None) -> torch.Tensor:
    """Weights float64 [1 + R, count]: ones, then resampling counts.

    They depend on game, seed and challenge only, so that all attacks on all defenses are compared
    on the same resampled challenges. Whole ``clusters`` (int64 [count]) are drawn where given.
    """
    from privbench.metrics._resample import resample_weights

    stream = derive_seed(0, "report", "samples", game.value, seed)
    weights = resample_weights(count, clusters, REPLICATES, stream)
    return torch.cat([torch.ones(1, count, dtype=torch.float64), weights.double().cpu()])


def lower_bound(draws: torch.Tensor, level: float) -> float:
    """One-sided lower bound of ``draws`` [1 + R] at confidence ``level``."""
    return float(torch.quantile(_replicates(draws), 1 - level))


def interval(draws: torch.Tensor) -> Interval:
    """Percentile interval of ``draws`` [1 + R], widened to hold the estimate where it falls outside.

    A maximum over attacks is biased upwards by resampling, so its replicates may all lie above
    the estimate.
    """
    value = float(draws[0])
    levels = torch.tensor([0.025, 0.95, 0.975], dtype=torch.float64)
    low, bound, high = torch.quantile(_replicates(draws), levels).tolist()
    return Interval(value, min(low, value), max(high, value), max(bound, value))


def _replicates(draws: torch.Tensor) -> torch.Tensor:
    finite = draws[1:][torch.isfinite(draws[1:])]
    return finite if len(finite) else draws[:1]
