"""The referee: scores guesses, releases and deployed models with every metric of the subject."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import cast

import torch

from privbench.core import registry
from privbench.core.errors import CannotWrite, DataError, PrivbenchError
from privbench.core.game import Truth
from privbench.core.metric import Columns, Metric, ScoringContext
from privbench.core.printable import one_line
from privbench.core.records import LONGEST_REASON, Figure
from privbench.core.warned import WARNED, heard
from privbench.engine.flags import METRIC_FAILED
from privbench.engine.trace import described, text_of, trace_of
from privbench.stats.bootstrap import REPLICATES, resample_weights
from privbench.stats.draws import figure_interval, metric_draws


def metrics_of(subject: str, classes: int) -> list[Metric]:
    """All registered metrics of ``subject``, with top-5 accuracy where that says something."""
    found = [cast("Metric", registry.create("metric", name)) for name in registry.usable("metric")]
    if classes > 10:
        found.append(cast("Metric", registry.create("metric", "accuracy[k=5]")))
    return [metric for metric in found if metric.subject == subject]


def score(
    metrics: Iterable[Metric], truth: Truth, guess: torch.Tensor, context: ScoringContext
) -> tuple[dict[str, Figure], dict[str, Columns]]:
    """The figure of each metric with its interval, and the columns behind it.

    A metric that cannot be computed gives a figure without a value and a note that says why; so does one
    that raises something, and the others are not harmed.
    """
    figures: dict[str, Figure] = {}
    columns: dict[str, Columns] = {}
    resampled: dict[int, torch.Tensor] = {}

    def weights(count: int) -> torch.Tensor:
        if count not in resampled:
            clusters = _people(truth, count)
            drawn = resample_weights(count, clusters, REPLICATES, context.seed)
            resampled[count] = torch.cat([torch.ones(1, count, dtype=torch.float64), drawn])
        return resampled[count]

    for metric in metrics:
        name = metric.selector
        with heard() as warned:
            try:
                found, cols = _score_one(metric, truth, guess, context, weights)
            except DataError as error:
                found, cols = {name: Figure(value=None, note=str(error))}, None
            except (CannotWrite, KeyboardInterrupt):
                raise
            except BaseException as error:  # noqa: BLE001 - a metric of somebody's may raise anything
                found, cols = {name: Figure(value=None, note=_failure(metric, error))}, None
        if cols is not None:
            columns[name] = cols
        if (texts := warned.texts()) and name in found:
            note = "; ".join(filter(None, [found[name].note, f"{WARNED}: {'; '.join(texts)}"]))
            found[name] = found[name].model_copy(update={"note": note})
        figures |= found
    return figures, columns


def _failure(metric: Metric, error: BaseException) -> str:
    _, place = trace_of(error, (metric,))
    told = text_of(error) if isinstance(error, PrivbenchError) else f"{described(error)} ({place})"
    return one_line(f"{METRIC_FAILED}: {told}", LONGEST_REASON)


def _people(truth: Truth, count: int) -> torch.Tensor | None:
    return truth.clusters if truth.clusters is not None and len(truth.clusters) == count else None


def _score_one(
    metric: Metric,
    truth: Truth,
    guess: torch.Tensor,
    context: ScoringContext,
    weights_of: Callable[[int], torch.Tensor],
) -> tuple[dict[str, Figure], Columns | None]:
    """The figures of one metric, those of groups too, and the columns where it could be computed."""
    name = metric.selector
    if reason := metric.unavailable():
        return {name: Figure(value=None, note=reason)}, None
    cols = {column: values.double() for column, values in metric.columns(truth, guess, context).items()}
    count = len(next(iter(cols.values())))
    weights, clusters = weights_of(count), _people(truth, count)
    figure = _figure(metric, cols, weights, clusters, context.seed)
    if figure.value is None and metric.unresolved(cols) is None:
        raise PrivbenchError(f"metric {name} is not a number on finite guesses")
    note = "; ".join(filter(None, (figure.note, metric.caveat(cols, truth))))
    figures = {name: figure.model_copy(update={"note": note})}
    for group, inside in truth.groups.items() if figure.value is not None else ():
        part = {column: values[inside] for column, values in cols.items()}
        people = None if clusters is None else clusters[inside]
        figures[f"{name} ({group})"] = _figure(metric, part, weights[:, inside], people, context.seed)
    return figures, cols


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
