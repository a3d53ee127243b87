"""Resampling: bootstrap weights, and exact intervals of a proportion."""

from __future__ import annotations

import numpy as np
import torch

from privbench.core.errors import PrivbenchError

_DRAWS = 2**22


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


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion; (0, 1) when there were no trials.

    Source: Clopper & Pearson, Biometrika 1934.
    """
    from scipy.stats import beta

    tail = (1 - level) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes > 0 else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high
