"""Exact intervals of a proportion."""

from __future__ import annotations

import numpy as np
import torch


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval of a proportion; (0, 1) when there were no trials.

    Source: Clopper & Pearson, Biometrika 1934.
    """
    # scipy.stats gives the same bits and takes a second to import.
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = float(betaincinv(successes, trials - successes + 1, tail)) if successes > 0 else 0.0
    high = float(betaincinv(successes + 1, trials - successes, 1 - tail)) if successes < trials else 1.0
    return low, high


def share_interval(share: float, size: float, level: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of a ``share`` of ``size``, which need not be whole numbers."""
    tail = (1 - level) / 2
    low, high = share_quantiles(share, size, torch.tensor([tail, 1 - tail], dtype=torch.float64)).tolist()
    return low, high


def share_quantiles(share: float, size: float, levels: torch.Tensor) -> torch.Tensor:
    """Quantiles, float64 as ``levels``, of what a ``share`` of ``size`` leaves possible.

    Those below the middle are Clopper and Pearson's lower bounds, the others their upper bounds, each
    at its own level.
    """
    from scipy.special import betaincinv

    hits = share * size
    at = levels.numpy()
    below = at < 0.5
    made = (~below).astype(np.float64)
    if hits > 0:
        made[below] = betaincinv(hits, size - hits + 1, at[below])
    if hits < size:
        made[~below] = betaincinv(hits + 1, size - hits, at[~below])
    return torch.from_numpy(made)
