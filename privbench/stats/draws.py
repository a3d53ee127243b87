"""From the replicates of a statistic to draws that are as wide as the data allow.

The percentile bootstrap claims too much in three cases, and each is mended here: few people (its
spread is that of the normal distribution, and too small by the people that it leaves out), shares of
counts (0 of 48 has no spread at all), and a figure at the end of its range (the same).

*Draws* are float64 [1 + R]: the estimate, then R replicates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch

from privbench.core.metric import Columns, MeanMetric, Metric
from privbench.stats.proportions import share_interval, share_quantiles
from privbench.stats.units import Units, units_of

_Z = 1.959963984540054


@dataclass(frozen=True)
class Draws:
    """The draws of a figure.

    Attributes:
        values: float64 [1 + R].
        units: what they rest on.
        size: where the figure is a share of its range, exact by itself: of how many.
    """

    values: torch.Tensor
    units: Units
    size: float | None = None


def metric_draws(
    metric: Metric, columns: Columns, weights: torch.Tensor, clusters: torch.Tensor | None, seed: int
) -> Draws:
    """The draws of a metric under ``weights``.

    Args:
        metric: what is computed.
        columns: its columns, each [N].
        weights: float64 [1 + R, N]: ones, then resampling counts.
        clusters: int64 [N], the person behind each sample, where people were resampled.
        seed: orders replicates that are equal.
    """
    units = units_of(weights.shape[1], clusters, metric.sides(columns))
    values = metric.statistic(columns, weights).double()
    size = None
    if metric.is_share(columns):
        size = effective_size(values, units)
    elif not isinstance(metric, MeanMetric) and _at_an_end(values, metric.bounds):
        size = units.count
    if size is None or not size or not bool(torch.isfinite(values[0])):
        return Draws(_widened(values, metric.bounds, units), units)
    return Draws(_share_draws(values, metric.bounds, size, seed), units, size)


def figure_interval(metric: Metric, columns: Columns, draws: Draws) -> tuple[float, float] | None:
    """The two-sided 95% interval of a figure from its ``metric_draws``; None of too few people."""
    if draws.units.too_few:
        return None
    if draws.size is not None:
        least, greatest = metric.bounds
        share = (float(draws.values[0]) - least) / (greatest - least)
        low, high = (least + (greatest - least) * end for end in share_interval(share, draws.size))
    else:
        found = draws.values[1:][torch.isfinite(draws.values[1:])]
        if len(found) == 0:
            return metric.bounds
        low, high = torch.quantile(found, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    exact = metric.exact(columns)
    return (low, high) if exact is None else (min(low, exact[0]), max(high, exact[1]))


def few_people_factor(people: float) -> float:
    """How much wider than the bootstrap's the spread over ``people`` clusters is.

    Student's quantile with people - 1 degrees of freedom in place of the normal one, and
    people / (people - 1), as the jackknife over clusters (CV3) has against the variance of the bootstrap.

    Source: MacKinnon, Nielsen, Webb, Cluster-robust inference: a guide to empirical practice, Journal of
        Econometrics 2023.
    """
    from scipy.special import stdtrit

    freedom = max(people - 1, 1e-9)
    return float(stdtrit(freedom, 0.975)) / _Z * people / freedom


def _widened(draws: torch.Tensor, bounds: tuple[float, float], units: Units) -> torch.Tensor:
    """Replicates moved away from the estimate where people were resampled.

    They move on the scale of the logit where the range is finite: near its end a figure varies to the
    other side.
    """
    if units.people is None or not bool(torch.isfinite(draws[0])):
        return draws
    least, span = bounds[0], bounds[1] - bounds[0]
    scaled = torch.logit((draws - least) / span) if math.isfinite(span) else draws
    moved = scaled[0] + few_people_factor(units.people) * (scaled[1:] - scaled[0])
    if math.isfinite(span):
        moved = least + span * torch.sigmoid(moved)
    return torch.cat([draws[:1], moved])


def effective_size(draws: torch.Tensor, units: Units) -> float:
    """How many independent samples tell a share as well as these do.

    That number is the one whose binomial variance is that of the replicates, times a correction for
    the few people by which the variance is known; where all samples are right, or wrong, one a person.

    Source: Korn and Graubard, Confidence intervals for proportions with small expected number of positive
        counts estimated from survey data, Survey Methodology 1998.
    """
    if units.people is None:
        return float(units.samples)
    from scipy.special import stdtrit

    share, people = float(draws[0]), units.people
    variance = float((draws[1:] - draws[0]).square().mean()) * people / max(people - 1, 1e-9)
    if not 0 < share < 1 or variance == 0:
        return people
    known = float(stdtrit(max(people - 1, 1e-9), 0.975))
    correction = (float(stdtrit(max(units.samples - 1, 1), 0.975)) / known) ** 2
    return max(1.0, min(units.samples, share * (1 - share) / variance) * correction)


def _at_an_end(draws: torch.Tensor, bounds: tuple[float, float]) -> bool:
    finite = draws[torch.isfinite(draws)]
    return len(finite) > 0 and float(draws[0]) in bounds and bool((finite == draws[0]).all())


def _share_draws(draws: torch.Tensor, bounds: tuple[float, float], size: float, seed: int) -> torch.Tensor:
    """Replicates in their order, with the exact distribution of a share of ``size`` in their place."""
    least, greatest = bounds
    span = greatest - least
    share = min(1.0, max(0.0, (float(draws[0]) - least) / span))
    replicates = draws[1:]
    ties = torch.randperm(len(replicates), generator=torch.Generator().manual_seed(seed % 2**63))
    order = ties[replicates[ties].argsort(stable=True)]
    made = torch.empty_like(replicates)
    made[order] = least + span * _even_quantiles(share, size, len(replicates))
    made[~torch.isfinite(replicates)] = math.nan
    return torch.cat([draws[:1], made])


@lru_cache(maxsize=256)
def _even_quantiles(share: float, size: float, count: int) -> torch.Tensor:
    """``count`` quantiles at even levels; the same for many cells of a board (0 of 300, 300 of 300)."""
    levels = (torch.arange(count, dtype=torch.float64) + 0.5) / max(1, count)
    return share_quantiles(share, size, levels)
