"""Feature leak as accuracy."""

from __future__ import annotations

import torch

from privbench.core.games import Truth
from privbench.core.metric import Columns, Metric, Referee
from privbench.core.registry import register
from privbench.metrics._feature import feature_columns, target_pairs


@register("feature-accuracy")
class FeatureAccuracy(Metric):
    """Mean over hidden features of accuracy. A constant guess earns the majority's share."""

    source = "Mean over targets of the share of right guesses"
    subject = "feature"

    def columns(self, truth: Truth, guess: torch.Tensor, referee: Referee) -> Columns:
        """``truth_t`` and ``guess_t`` for each feature t, int64 [N]."""
        return feature_columns(truth, guess)

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The mean accuracy, float64 [R]."""
        right = torch.stack([truth == guess for truth, guess in target_pairs(columns)])
        return weights @ right.double().mean(dim=0) / weights.sum(dim=1)
