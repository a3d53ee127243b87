"""Matthews' correlation coefficient of a deployed model that tells attributes."""

from __future__ import annotations

import torch

from privbench.core.game import Truth
from privbench.core.metric import Columns, Metric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._attribute import all_constant, left_out, target_pairs
from privbench.metrics._attributes import answered_columns
from privbench.metrics._mcc import mean_matthews


@register("mean-mcc")
class MeanMcc(Metric):
    """Mean over attributes of the coefficient; an attribute with a constant answer counts 0."""

    source = "Matthews 1975; Gorodkin, Comparing two K-category assignments, 2004, eq. 8"
    subject = "attribute-utility"
    higher_is = "better"
    headline = True
    bounds = (-1.0, 1.0)

    def columns(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> Columns:
        """``truth_t`` and ``guess_t`` for each attribute t, int64 [N]."""
        return answered_columns(truth, guess)

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The mean coefficient, float64 [R]."""
        return mean_matthews(target_pairs(columns), weights)

    def unresolved(self, columns: Columns) -> str | None:
        """Why there is no figure: no attribute varies."""
        return all_constant(columns)

    def caveat(self, columns: Columns, truth: Truth) -> str:
        """Which attributes are left out."""
        return left_out(columns, truth.names)
