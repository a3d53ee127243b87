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
from privbench.stats.draws import figure_interval, metric_draws


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
        cols = {name: column.double() for name, column in found.items()}
        count = len(next(iter(cols.values())))
        clusters = truth.clusters if truth.clusters is not None and len(truth.clusters) == count else None
        if weights is None or weights.shape[1] != count:
            drawn = resample_weights(count, clusters, REPLICATES, context.seed)
            weights = torch.cat([torch.ones(1, count, dtype=torch.float64), drawn])
        columns[metric.selector] = cols
        figure = _figure(metric, cols, weights, clusters, context.seed)
        if figure.value is None and metric.unresolved(cols) is None:
            raise PrivbenchError(f"metric {metric.selector} is not a number on finite guesses")
        note = "; ".join(filter(None, (figure.note, metric.caveat(cols, truth))))
        figures[metric.selector] = figure.model_copy(update={"note": note})
        for name, inside in truth.groups.items() if figure.value is not None else ():
            part = {column: values[inside] for column, values in cols.items()}
            people = None if clusters is None else clusters[inside]
            own = _figure(metric, part, weights[:, inside], people, context.seed)
            figures[f"{metric.selector} ({name})"] = own
    return figures, columns


def _figure(
    metric: Metric, columns: Columns, weights: torch.Tensor, clusters: torch.Tensor | None, seed: int
) -> Figure:
    """The figure of ``columns`` with its interval, or with the reason why there is no figure or interval."""
    count = weights.shape[1]
    if not count:
        return Figure(value=None, n=0, note="there are no such samples")
    if reason := metric.unresolved(columns):
        return Figure(value=None, n=count, note=reason)
    draws = metric_draws(metric, columns, weights, clusters, seed)
    value = float(draws.values[0])
    if not math.isfinite(value):
        return Figure(value=None, n=count, note=f"cannot be told of {count} samples")
    interval = figure_interval(metric, columns, draws)
    if interval is None:
        return Figure(value=value, n=count, note=draws.units.too_few or "")
    return Figure(value=value, low=interval[0], high=interval[1], n=count)
