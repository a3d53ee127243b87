"""The cells of one board: results by defense, attack, game and seed, with replicated scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, cast

import torch

from privbench.core import registry
from privbench.core.errors import DataError, UserError
from privbench.core.metric import Columns, Metric
from privbench.core.selector import parse_selector
from privbench.core.threat import Game
from privbench.report.between_seeds import seed_average
from privbench.report.bootstrap import challenge_weights
from privbench.runner.results import Result

BREAK, NULL, FLOOR = "none", "blackout", "blind"
"""The defenses that must be broken and must leave attacks at chance; the attack without a look."""


class Tried(NamedTuple):
    """An attack on a defense in a game, over all seeds."""

    game: Game
    defense: str
    attack: str


def base_name(selector: str) -> str:
    """The method's name without its parameters."""
    return parse_selector(selector).name


@cache
def find_metric(selector: str) -> Metric | None:
    """The metric for a selector, or None where it is not installed."""
    try:
        return cast("Metric", registry.create("metric", selector))
    except UserError:
        return None


class Cells:
    """The results of one board, with the statistic of every metric under the same resampling.

    Raises:
        DataError: results of one game and seed were scored on different challenges, or by another
            version of a metric that rates.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = tuple(results)
        self.tried: dict[Tried, dict[int, Result]] = defaultdict(dict)
        self._draws: dict[tuple[Tried, str, bool], dict[int, torch.Tensor]] = defaultdict(dict)
        challenges: dict[tuple[Game, int], list[Result]] = defaultdict(list)
        for result in results:
            cell = result.record.cell
            self.tried[Tried(cell.game, cell.defense, cell.attack)][cell.seed] = result
            challenges[cell.game, cell.seed].append(result)
        for (game, seed), played in challenges.items():
            self._resample(game, seed, played)

    def defenses(self) -> list[str]:
        """The defenses in order of their names, the two controls last."""
        return sorted({t.defense for t in self.tried}, key=lambda d: (d in {BREAK, NULL}, d))

    def games(self) -> list[Game]:
        """The games that were played or asked for, in the order of ``Game``."""
        return [game for game in Game if any(t.game == game for t in self.tried)]

    def attacks(self, game: Game, defense: str | None = None) -> list[str]:
        """The attacks tried in ``game`` (on ``defense``), in order."""
        found = {t.attack for t in self.tried if t.game == game and defense in {None, t.defense}}
        return sorted(found)

    def finished(self, tried: Tried) -> set[int]:
        """The seeds with a finished result."""
        return {s for s, r in self.tried.get(tried, {}).items() if r.record.status == "ok"}

    def scored(self, tried: Tried, metric: str) -> set[int]:
        """The seeds with resampled values of ``metric``."""
        return set(self._draws.get((tried, metric, False), {}))

    def metrics(self, game: Game) -> list[str]:
        """Metrics with resampled values in ``game``: the headline, those that rate, then by name."""
        return sorted({metric for tried, metric, _ in self._draws if tried.game == game}, key=metric_order)

    def average(self, tried: Tried, metric: str, seeds: Sequence[int], *, capped: bool) -> torch.Tensor:
        """Parts [1 + L + R] of ``metric`` averaged over ``seeds``, each of which must be scored.

        ``capped``: with per-sample values limited to where leakage is complete.
        """
        draws = self._draws[tried, metric, capped]
        return seed_average(torch.stack([draws[seed] for seed in seeds]))

    def _resample(self, game: Game, seed: int, played: Sequence[Result]) -> None:
        weights: torch.Tensor | None = None
        first: Result | None = None
        for result in played:
            for name, columns in sorted(result.columns.items()):
                metric = find_metric(name)
                if metric is None or metric.subject != game.value or not self._needed(metric, result):
                    continue
                count = len(next(iter(columns.values())))
                if weights is None or first is None:
                    first, weights = result, challenge_weights(game, seed, count, result.clusters)
                elif count != weights.shape[1] or not _same_challenge(result, first):
                    raise DataError(
                        f"{first.record.key} and {result.record.key} were scored on different challenges "
                        f"({game}, seed {seed}: {weights.shape[1]} and {count} samples, or other data, split "
                        "or identities). They cannot stand on one board: run them again on the same data "
                        "with the same version."
                    )
                self._score(result, name, metric, columns, weights)

    def _needed(self, metric: Metric, result: Result) -> bool:
        # With a single seed, figures that do not rate keep the interval of their record.
        cell = result.record.cell
        return metric.rates or len(self.finished(Tried(cell.game, cell.defense, cell.attack))) > 1

    def _score(
        self, result: Result, name: str, metric: Metric, columns: Columns, weights: torch.Tensor
    ) -> None:
        cell = result.record.cell
        tried = Tried(cell.game, cell.defense, cell.attack)
        try:
            draws = metric.statistic(columns, weights).double()
        except KeyError as missing:
            if not metric.rates:  # it keeps the figures of its record
                return
            raise DataError(
                f"{result.record.key} has no column {missing} of {name}: it was scored by another version. "
                "Run it again."
            ) from missing
        if not bool(torch.isfinite(draws[0])):
            return
        self._draws[tried, name, False][cell.seed] = draws
        if metric.leak_cap is not None:
            draws = metric.statistic(_capped(metric, columns), weights).double()
        self._draws[tried, name, True][cell.seed] = draws


def metric_order(selector: str) -> tuple[bool, bool, str]:
    """Sort key: the headline first, then metrics that rate, then by name."""
    metric = find_metric(selector)
    return (not (metric and metric.headline), not (metric and metric.rates), selector)


def _capped(metric: Metric, columns: Columns) -> Columns:
    cap = metric.leak_cap
    if metric.higher_is == "leak":
        return {name: column.clamp(max=cap) for name, column in columns.items()}
    return {name: column.clamp(min=cap) for name, column in columns.items()}


def _same_challenge(a: Result, b: Result) -> bool:
    hashes_a, hashes_b = a.record.provenance.hashes, b.record.provenance.hashes
    if any(hashes_a.get(name) != hashes_b.get(name) for name in ("dataset", "split")):
        return False
    if a.clusters is None or b.clusters is None:
        return a.clusters is b.clusters
    return torch.equal(a.clusters, b.clusters)
