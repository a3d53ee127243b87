"""The base of metrics: per-sample columns, and a statistic of them under any weighting.

A metric that can be computed under sample weights gives its value (weights of one), its
bootstrap interval (multinomial weights; whole identities where there are any) and a paired
comparison with another attack (the same weights) by one batched function.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch

from privbench.core.games import Truth
from privbench.core.method import Method

Columns: TypeAlias = "dict[str, torch.Tensor]"


@dataclass(frozen=True)
class Referee:
    """What a metric may need beside truth and guess.

    Attributes:
        device: where to compute.
        judge: log-probabilities [N, K] for images [N, C, H, W] by a classifier that was trained
            on plain auxiliary data, independent of defense and attack; None where there is none.
        seed: of the bootstrap.
    """

    device: torch.device
    judge: Callable[[torch.Tensor], torch.Tensor] | None = None
    seed: int = 0


class Metric(Method):
    """A figure about a guess (a game's name), a deployed model or a release.

    Attributes:
        subject: what is measured: a game by its name; ``release``, where the guess is the released
            images; or a task's ``utility``, where the guess is what the deployed model answers and
            the truth has ``originals`` with labels and attributes.
        higher_is: ``leak`` or ``private`` for privacy games, ``better`` or ``worse`` for utility.
        rates: whether the metric takes part in rating a defense (as leakage).
        leak_cap: the value at which leakage is complete, e.g. 30 dB; None: no cap.
        headline: the one figure of a game that tables show first.
        bounds: the least and the greatest possible value.
    """

    kind = "metric"
    subject: ClassVar[str]
    higher_is: ClassVar[Literal["leak", "private", "better", "worse"]] = "leak"
    rates: ClassVar[bool] = False
    leak_cap: ClassVar[float | None] = None
    headline: ClassVar[bool] = False
    unit: ClassVar[str] = ""
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def unavailable(self) -> str | None:
        """Why the metric cannot be computed here and what gets it, or None when it can."""
        return None

    def unresolved(self, columns: Columns) -> str | None:
        """Why the sample cannot give this figure (whose value is then NaN), or None when it can."""
        return None

    @abstractmethod
    def columns(self, truth: Truth, guess: torch.Tensor, referee: Referee) -> Columns:
        """Per-sample columns, each [N] on the CPU, that ``statistic`` needs."""

    @abstractmethod
    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The metric under each row of ``weights`` (float64 [R, N]): float64 [R]."""

    def interval(self, columns: Columns, weights: torch.Tensor) -> tuple[float, float]:
        """Two-sided 95% interval; by default percentiles over resampled ``weights`` [R, N]."""
        values = self.statistic(columns, weights)
        values = values[torch.isfinite(values)]
        if len(values) == 0:
            return self.bounds
        low, high = torch.quantile(values, torch.tensor([0.025, 0.975], dtype=torch.float64))
        return float(low), float(high)


class MeanMetric(Metric):
    """A metric that is the mean of one value per sample, the column named like the metric."""

    def columns(self, truth: Truth, guess: torch.Tensor, referee: Referee) -> Columns:
        """One column: ``values`` under the metric's own name."""
        return {self.registry_name: self.values(truth, guess, referee).double().cpu()}

    @abstractmethod
    def values(self, truth: Truth, guess: torch.Tensor, referee: Referee) -> torch.Tensor:
        """One value per sample, [N]."""

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The weighted mean."""
        return weights @ columns[self.registry_name] / weights.sum(dim=1)
