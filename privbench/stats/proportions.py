"""Exact intervals of a proportion."""

from __future__ import annotations


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
