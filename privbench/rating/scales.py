"""What leakage 0 and 1 are, for each game and metric that rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from privbench.core.controls import BREAK
from privbench.rating.cells import Cells, Pairing
from privbench.rating.certification import Certificate, rating_metrics
from privbench.rating.leakage import best, blinds, shared_seeds
from privbench.rating.metric_lookup import find_metric


@dataclass(frozen=True)
class MetricScale:
    """Floor and ceiling of a metric, means over seeds, in the unit of the metric.

    Attributes:
        floors: the least and the greatest floor of any defense.
        ceiling: None where no attack is certified.
    """

    metric: str
    floors: tuple[float, float]
    ceiling: float | None


def metric_scales(cells: Cells, game: str, certificates: Iterable[Certificate]) -> list[MetricScale]:
    """The scale of every metric that rates in ``game`` and for which there is a floor."""
    found = []
    for metric in rating_metrics(cells, game):
        certified = [c.attack for c in certificates if c.certified and (c.game, c.metric) == (game, metric)]
        levels = [_level(cells, game, d, metric, blinds(cells, game, d)) for d in cells.defenses()]
        floors = [level for level in levels if level is not None]
        if floors:
            ceiling = _level(cells, game, BREAK, metric, certified)
            found.append(MetricScale(metric, (min(floors), max(floors)), ceiling))
    return found


def _level(cells: Cells, game: str, defense: str, metric: str, attacks: Sequence[str]) -> float | None:
    """What the best of ``attacks`` gets from ``defense``, None without a shared seed."""
    seeds = shared_seeds(cells, metric, [Pairing(game, defense, a) for a in attacks])
    if not seeds:
        return None
    value = float(best(cells, game, defense, attacks, metric, seeds)[0])
    found = find_metric(metric)
    return -value if found is not None and found.higher_is == "private" else value
