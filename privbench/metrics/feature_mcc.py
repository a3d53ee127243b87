"""Feature leak as Matthews' correlation coefficient."""

from __future__ import annotations

import torch

from privbench.core.games import Truth
from privbench.core.metric import Columns, Metric, Referee
from privbench.core.registry import register
from privbench.metrics._feature import feature_columns, target_pairs
from privbench.metrics._mcc import matthews


@register("feature-mcc")
class FeatureMcc(Metric):
    """Mean over hidden features of the (multiclass) coefficient; 0 for any constant guess."""

    source = "Matthews 1975; Gorodkin, Comparing two K-category assignments, 2004, eq. 8"
    subject = "feature"
    rates = True
    headline = True
    bounds = (-1.0, 1.0)

    def columns(self, truth: Truth, guess: torch.Tensor, referee: Referee) -> Columns:
        """``truth_t`` and ``guess_t`` for each feature t, int64 [N]."""
        return feature_columns(truth, guess)

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The mean coefficient, float64 [R]."""
        each = [matthews(truth, guess, weights) for truth, guess in target_pairs(columns)]
        return torch.stack(each).mean(dim=0)
