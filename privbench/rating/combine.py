"""Figures of several seeds as one figure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, variance

from privbench.core.metric import Metric
from privbench.core.records import Figure
from privbench.rating.metric_lookup import find_metric


def combine(name: str, figures: Sequence[Figure]) -> Figure:
    """The mean over seeds of the figures of metric ``name``, without its columns.

    A single seed keeps its own interval. Otherwise, for a metric with exact bounds, the interval is
    the mean of the lower and the mean of the upper bounds; for any other, see ``_half_width``. Limits
    never leave the metric's bounds. Figures without a value are left out.
    """
    known = [f for f in figures if f.value is not None]
    if not known:
        return Figure(value=None, note="; ".join(dict.fromkeys(f.note for f in figures)))
    if len(known) == 1:
        return clipped(name, known[0])
    mean = fmean(f.value for f in known if f.value is not None)
    bounded = [(f.low, f.high) for f in known if f.low is not None and f.high is not None]
    if has_exact_bounds(name) and len(bounded) == len(known):
        low, high = fmean(b[0] for b in bounded), fmean(b[1] for b in bounded)
    else:
        half = _half_width([f.value for f in known if f.value is not None], bounded)
        low, high = mean - half, mean + half
    return clipped(name, Figure(value=mean, low=low, high=high, n=sum(f.n for f in known)))


def has_exact_bounds(name: str) -> bool:
    """Whether metric ``name`` computes its interval itself rather than by the bootstrap."""
    metric = find_metric(name)
    return metric is not None and type(metric).exact is not Metric.exact


def clipped(name: str, figure: Figure) -> Figure:
    """``figure`` with its interval inside the bounds of metric ``name``, where that is installed."""
    metric = find_metric(name)
    if metric is None or figure.low is None or figure.high is None:
        return figure
    least, greatest = metric.bounds
    return figure.model_copy(update={"low": max(figure.low, least), "high": min(figure.high, greatest)})


def _half_width(values: Sequence[float], bounded: Sequence[tuple[float, float]]) -> float:
    """Of the two-sided 95% interval of the mean of ``values``, one for each seed.

    The variance within seeds is taken from their own intervals, as if normal. The variance of the
    values beyond it is that between seeds, known with S - 1 degrees of freedom only.
    """
    from scipy.special import stdtrit

    within = fmean(((high - low) / 3.92) ** 2 for low, high in bounded) if bounded else 0.0
    between = max(0.0, variance(values) - within)
    factor = float(stdtrit(len(values) - 1, 0.975))
    return math.sqrt((1.96**2 * within + factor**2 * between) / len(values))
