"""Paired bootstrap over samples (or whole identities) within seeds, and the intervals of its draws.

A *draws* tensor is float64 [1 + R]: the point estimate first, then R replicates. Sums,
differences and maxima of draws therefore treat the estimate and every replicate alike.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from privbench.core.errors import PrivbenchError
from privbench.core.seeds import derive_seed

REPLICATES = 1000
"""How many replicates every interval is made of."""

_DRAWS = 2**18


def _multinomial(units: int, replicates: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    counts = np.empty((replicates, units))
    rows = max(1, _DRAWS // units)
    for start in range(0, replicates, rows):
        size = min(rows, replicates - start)
        drawn = rng.integers(0, units, size=(size, units)) + units * np.arange(size)[:, None]
        counts[start : start + size] = np.bincount(drawn.ravel(), minlength=size * units).reshape(size, units)
    return counts


def resample_weights(count: int, clusters: torch.Tensor | None, replicates: int, seed: int) -> torch.Tensor:
    """Bootstrap weights: how often each sample is drawn, with replacement, in each replicate.

    Args:
        count: how many samples there are, N.
        clusters: int64 [N]; whole clusters (identities) are drawn when given, so that all
            samples of one cluster weigh the same. None: samples are drawn one by one.
        replicates: how many replicates, R.
        seed: of a numpy Generator; the same seed gives the same weights.

    Returns:
        float64 [R, N] of counts. Rows sum to N without clusters.

    Raises:
        PrivbenchError: no samples, or ``clusters`` of another length.

    Source: Efron & Tibshirani, An Introduction to the Bootstrap, 1993; Field & Welsh,
        Bootstrapping clustered data, JRSS B 2007.
    """
    if count < 1:
        raise PrivbenchError("there are no samples to resample")
    if clusters is None:
        return torch.from_numpy(_multinomial(count, replicates, seed))
    if tuple(clusters.shape) != (count,):
        raise PrivbenchError(f"clusters have shape {tuple(clusters.shape)}; expected ({count},)")
    unique, member_of = torch.unique(clusters.cpu(), return_inverse=True)
    return torch.from_numpy(_multinomial(len(unique), replicates, seed))[:, member_of]


def challenge_weights(stream: str, seed: int, count: int, clusters: torch.Tensor | None) -> torch.Tensor:
    """Weights float64 [1 + R, count]: ones, then resampling counts.

    They depend on ``stream`` (a game's name), seed and challenge only, so that all attacks on all
    defenses are compared on the same resampled challenges. Whole ``clusters`` (int64 [count]) are drawn
    where given.
    """
    drawn = derive_seed(0, "report", "samples", str(stream), seed)
    weights = resample_weights(count, clusters, REPLICATES, drawn)
    return torch.cat([torch.ones(1, count, dtype=torch.float64), weights])


@dataclass(frozen=True)
class Interval:
    """An estimate, its two-sided 95% interval and its one-sided 95% upper bound."""

    value: float
    low: float
    high: float
    bound: float


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
