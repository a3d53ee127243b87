"""Figures of several seeds as one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from privbench.core.records import Figure


def combine(figures: Sequence[Figure]) -> Figure:
    """The mean of one figure over seeds, without its columns.

    The variance of a seed's value is taken from its interval (as if normal), the variance between
    seeds is added; a single seed keeps its own interval. Figures without a value are left out.
    """
    known = [f for f in figures if f.value is not None]
    if len(known) <= 1:
        return (
            known[0] if known else Figure(value=None, note="; ".join(dict.fromkeys(f.note for f in figures)))
        )
    values = [f.value for f in known if f.value is not None]
    widths = [f.high - f.low for f in known if f.low is not None and f.high is not None]
    within = fmean((w / 3.92) ** 2 for w in widths) if widths else 0.0
    half = 1.96 * math.sqrt((within + variance(values)) / len(values))
    mean = fmean(values)
    return Figure(value=mean, low=mean - half, high=mean + half, n=sum(f.n for f in known))
