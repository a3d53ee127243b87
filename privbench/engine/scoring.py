"""The referee: scores guesses, releases and deployed models with every metric of the subject."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import cast

import torch

from privbench.core import registry
from privbench.core.errors import DataError, PrivbenchError
from privbench.core.game import Truth
from privbench.core.metric import Columns, Metric, ScoringContext
from privbench.core.records import Figure
from privbench.stats.bootstrap import REPLICATES, resample_weights


def metrics_of(subject: str, classes: int) -> list[Metric]:
    """All registered metrics of ``subject``, with top-5 accuracy where that says something."""
    found = [cast("Metric", registry.create("metric", name)) for name in registry.known("metric")]
    if classes > 10:
        found.append(cast("Metric", registry.create("metric", "accuracy[k=5]")))
    return [metric for metric in found if metric.subject == subject]


def score(
    metrics: Iterable[Metric], truth: Truth, guess: torch.Tensor, context: ScoringContext
) -> tuple[dict[str, Figure], dict[str, Columns]]:
    """The figure of each metric with its interval, and the columns behind it.

    A metric that cannot be computed gives a figure without a value and a note that says why.
    """
    figures: dict[str, Figure] = {}
    columns: dict[str, Columns] = {}
    weights: torch.Tensor | None = None
    for metric in metrics:
        if reason := metric.unavailable():
            figures[metric.selector] = Figure(value=None, note=reason)
            continue
        try:
            found = metric.columns(truth, guess, context)
        except DataError as error:
            figures[metric.selector] = Figure(value=None, note=str(error))
            continue
        # Rounded as they are stored, so that a leaderboard recomputes the same figures.
        cols = {name: column.float().double() for name, column in found.items()}
        count = len(next(iter(cols.values())))
        if weights is None or weights.shape[1] != count:
            clusters = truth.clusters if truth.clusters is not None and len(truth.clusters) == count else None
            weights = resample_weights(count, clusters, REPLICATES, context.seed)
        value = float(metric.statistic(cols, torch.ones(1, count, dtype=torch.float64))[0])
        columns[metric.selector] = cols
        if not math.isfinite(value):
            unresolved = metric.unresolved(cols)
            if unresolved is None:
                raise PrivbenchError(f"metric {metric.selector} is {value} on finite guesses")
            figures[metric.selector] = Figure(value=None, n=count, note=unresolved)
            continue
        low, high = metric.interval(cols, weights)
        figures[metric.selector] = Figure(value=value, low=low, high=high, n=count)
        for name, inside in truth.groups.items():
            figures[f"{metric.selector} ({name})"] = _of_group(metric, cols, weights, inside, name)
    return figures, columns


def _of_group(
    metric: Metric, columns: Columns, weights: torch.Tensor, inside: torch.Tensor, name: str
) -> Figure:
    """The figure of the samples ``inside`` (bool [N]), under the same resampling."""
    part = {column: values[inside] for column, values in columns.items()}
    count = int(inside.sum())
    value = float(metric.statistic(part, torch.ones(1, count, dtype=torch.float64))[0]) if count else math.nan
    if not math.isfinite(value):
        return Figure(value=None, n=count, note=f"cannot be told of {count} samples ({name})")
    low, high = metric.interval(part, weights[:, inside])
    return Figure(value=value, low=low, high=high, n=count)
