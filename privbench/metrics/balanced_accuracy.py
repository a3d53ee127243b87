"""Balanced membership accuracy at the best threshold."""

from __future__ import annotations

import torch

from privbench.core.games import Truth
from privbench.core.metric import Columns, Metric, Referee
from privbench.core.registry import register
from privbench.metrics._roc import membership_columns, roc, weight_blocks


@register("balanced-accuracy")
class BalancedAccuracy(Metric):
    """The mean of true positive and true negative rate at the threshold that is best for them.

    The threshold is chosen on the very candidates that are scored (and again in each bootstrap
    replicate), so the figure is optimistic: on scores without any signal it lies above 0.5, by
    0.44 / sqrt(n) on average for n members and n non-members (half the mean of the one-sided
    Smirnov statistic). It therefore takes no part in rating a defense.
    """

    source = "Yeom, Giacomelli, Fredrikson, Jha, Privacy risk in machine learning, CSF 2018 (advantage)"
    subject = "membership"
    bounds = (0.5, 1.0)

    def columns(self, truth: Truth, guess: torch.Tensor, referee: Referee) -> Columns:
        """``score`` and ``member``, float64 [N]."""
        return membership_columns(truth, guess)

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The best balanced accuracy, float64 [R]; NaN for rows without a member or a non-member."""
        best = []
        for block in weight_blocks(weights):
            true_positive, false_positive = roc(columns, block)
            best.append((0.5 + (true_positive - false_positive) / 2).amax(dim=1))
        return torch.cat(best)
