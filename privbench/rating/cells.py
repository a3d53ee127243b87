"""The cells of one board: results by defense, attack, game and seed, with replicated scores."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import torch

from privbench.core.controls import CONTROLS
from privbench.core.errors import DataError
from privbench.core.metric import Columns, Metric
from privbench.core.records import Cell
from privbench.core.seeds import derive_seed
from privbench.rating.challenges import SharedChallenge
from privbench.rating.metric_lookup import find_metric, metric_order
from privbench.stats.between_seeds import seed_average
from privbench.stats.draws import metric_draws

if TYPE_CHECKING:
    from privbench.store.results import Result


class Pairing(NamedTuple):
    """An attack on a defense in a game, over all seeds."""

    game: str
    defense: str
    attack: str

    @classmethod
    def of(cls, cell: Cell) -> Self:
        """The pairing that ``cell`` is of, whatever its seed."""
        return cls(cell.game, cell.defense, cell.attack)


class Cells:
    """The results of one board, with the statistic of every metric under the same resampling.

    Raises:
        DataError: results of one game and seed were scored on different challenges, or by another
            version of a metric that rates.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self.results = tuple(results)
        self.pairings: dict[Pairing, dict[int, Result]] = defaultdict(dict)
        self.too_few: dict[str, str] = {}
        """Why figures of a game have no draws: by game, where too few people are behind them."""
        self._draws: dict[tuple[Pairing, str, bool], dict[int, torch.Tensor]] = defaultdict(dict)
        challenges: dict[tuple[str, int], list[Result]] = defaultdict(list)
        for result in results:
            cell = result.record.cell
            self.pairings[Pairing.of(cell)][cell.seed] = result
            challenges[cell.game, cell.seed].append(result)
        for (game, seed), played in challenges.items():
            self._resample(game, seed, played)

    def defenses(self) -> list[str]:
        """The defenses in order of their names, the two controls last."""
        return sorted({p.defense for p in self.pairings}, key=lambda d: (d in CONTROLS, d))

    def games(self) -> list[str]:
        """The games that were played or asked for, in the order of their names."""
        return sorted({p.game for p in self.pairings})

    def attacks(self, game: str, defense: str | None = None) -> list[str]:
        """The attacks tried in ``game`` (on ``defense``), in order."""
        found = {p.attack for p in self.pairings if p.game == game and defense in {None, p.defense}}
        return sorted(found)

    def finished(self, pairing: Pairing) -> set[int]:
        """The seeds with a finished result."""
        return {s for s, r in self.pairings.get(pairing, {}).items() if r.record.status == "ok"}

    def scored(self, pairing: Pairing, metric: str) -> set[int]:
        """The seeds with resampled values of ``metric``."""
        return set(self._draws.get((pairing, metric, False), {}))

    def metrics(self, game: str) -> list[str]:
        """Metrics with resampled values in ``game``: the headline, those that rate, then by name."""
        return sorted(
            {metric for pairing, metric, _ in self._draws if pairing.game == game}, key=metric_order
        )

    def average(self, pairing: Pairing, metric: str, seeds: Sequence[int], *, capped: bool) -> torch.Tensor:
        """Parts [1 + L + R] of ``metric`` averaged over ``seeds``, each of which must be scored.

        ``capped``: with per-sample values limited to where leakage is complete.
        """
        draws = self._draws[pairing, metric, capped]
        return seed_average(torch.stack([draws[seed] for seed in seeds]))

    def _resample(self, game: str, seed: int, played: Sequence[Result]) -> None:
        challenge = SharedChallenge(game, seed, [result for result in played if result.columns])
        for result in played:
            for name, columns in sorted(result.columns.items()):
                metric = find_metric(name)
                if metric is None or not self._needed(metric, result):
                    continue
                weights = challenge.weights(result, len(next(iter(columns.values()))))
                self._score(result, name, metric, columns, weights)

    def _needed(self, metric: Metric, result: Result) -> bool:
        # With a single seed, figures that do not rate keep the interval of their record.
        return metric.rates or len(self.finished(Pairing.of(result.record.cell))) > 1

    def _score(
        self, result: Result, name: str, metric: Metric, columns: Columns, weights: torch.Tensor
    ) -> None:
        pairing, seed = Pairing.of(result.record.cell), result.record.cell.seed
        ties = derive_seed(0, "report", "ties", *pairing, name, seed)
        try:
            draws = metric_draws(metric, columns, weights, result.clusters, ties)
        except KeyError as missing:
            if not metric.rates:  # it keeps the figures of its record
                return
            raise DataError(
                f"{result.place} has no column {missing} of {name}: it was scored by another version. "
                "Run it again."
            ) from missing
        except Exception as error:
            if not metric.rates:
                return
            raise DataError(
                f"{name} cannot be computed of {result.place}: {type(error).__name__}. Run it again, or "
                "repair the metric."
            ) from error
        if draws.units.too_few:
            self.too_few[pairing.game] = draws.units.too_few
            return
        if not bool(torch.isfinite(draws.values[0])):
            return
        self._draws[pairing, name, False][seed] = draws.values
        if metric.leak_cap is not None:
            draws = metric_draws(metric, _capped(metric, columns), weights, result.clusters, ties)
        self._draws[pairing, name, True][seed] = draws.values


def _capped(metric: Metric, columns: Columns) -> Columns:
    cap = metric.leak_cap
    if metric.higher_is == "leak":
        return {name: column.clamp(max=cap) for name, column in columns.items()}
    return {name: column.clamp(min=cap) for name, column in columns.items()}
