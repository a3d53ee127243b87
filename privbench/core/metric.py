"""The base of metrics: per-sample columns, and a statistic of them under any weighting.

A metric that can be computed under sample weights gives its value (weights of one), its
bootstrap interval (multinomial weights; whole identities where there are any) and a paired
comparison with another attack (the same weights) by one batched function.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch

from privbench.core.game import Truth
from privbench.core.method import Method

Columns: TypeAlias = "dict[str, torch.Tensor]"


@dataclass(frozen=True)
class ScoringContext:
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
    """A figure about a guess, a deployed model or a release.

    Attributes:
        subject: what is measured: the guesses of those games, or the answers for those tasks, that name
            this subject (``utility``: answers [N, K], the truth has ``originals`` with the labels), or
            ``release``: the guess is the released images.
        higher_is: ``leak`` or ``private`` for privacy games, ``better`` or ``worse`` for utility.
        rates: whether the metric takes part in rating a defense (as leakage).
        leak_cap: the value at which leakage is complete, e.g. 30 dB; None: no cap.
        headline: the one figure of a game that tables show first.
        bounds: the least and the greatest possible value.
        needs_judge: whether it asks the referee's classifier, which is trained only where it is needed.
    """

    kind = "metric"
    subject: ClassVar[str]
    higher_is: ClassVar[Literal["leak", "private", "better", "worse"]] = "leak"
    rates: ClassVar[bool] = False
    leak_cap: ClassVar[float | None] = None
    headline: ClassVar[bool] = False
    unit: ClassVar[str] = ""
    needs_judge: ClassVar[bool] = False
    bounds: ClassVar[tuple[float, float]] = (0.0, 1.0)

    def unavailable(self) -> str | None:
        """Why the metric cannot be computed here and what gets it, or None when it can."""
        return None

    def unresolved(self, columns: Columns) -> str | None:
        """Why the sample cannot give this figure (whose value is then NaN), or None when it can."""
        return None

    @abstractmethod
    def columns(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> Columns:
        """Per-sample columns, each [N] on the CPU, that ``statistic`` needs."""

    @abstractmethod
    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The metric under each row of ``weights`` (float64 [R, N]): float64 [R]."""

    def caveat(self, columns: Columns, truth: Truth) -> str:
        """What the figure leaves out of these samples, and why; empty where nothing."""
        return ""

    def sides(self, columns: Columns) -> Sequence[torch.Tensor]:
        """Parts of the samples, bool [N] each, the smallest of which limits what is known; by default all."""
        return ()

    def is_share(self, columns: Columns) -> bool:
        """Whether the figure is a share of samples, whose interval is exact."""
        return False

    def exact(self, columns: Columns) -> tuple[float, float] | None:
        """A two-sided 95% interval for independent samples, which the one that is quoted must hold."""
        return None


class MeanMetric(Metric):
    """A metric that is the mean of one value per sample, the column named like the metric.

    Attributes:
        hits: whether the value of a sample is a hit (1) or a miss (0), so that the mean is a share.
    """

    hits: ClassVar[bool] = False

    def columns(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> Columns:
        """One column: ``values`` under the metric's own name."""
        return {self.registry_name: self.values(truth, guess, context).double().cpu()}

    @abstractmethod
    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """One value per sample, [N]."""

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The weighted mean."""
        return weights @ columns[self.registry_name] / weights.sum(dim=1)

    def is_share(self, columns: Columns) -> bool:
        """Whether values are ``hits``, and none is between (a tie)."""
        values = columns[self.registry_name]
        return self.hits and bool(((values == 0) | (values == 1)).all())
