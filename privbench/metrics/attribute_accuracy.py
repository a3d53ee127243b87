"""Attribute leak as accuracy."""

from __future__ import annotations

import torch

from privbench.core.game import Truth
from privbench.core.metric import Columns, Metric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._attribute import attribute_columns, target_pairs


@register("attribute-accuracy")
class AttributeAccuracy(Metric):
    """Mean over hidden attributes of accuracy. A constant guess earns the majority's share."""

    source = "Mean over targets of the share of right guesses"
    subject = "attribute"

    def columns(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> Columns:
        """``truth_t`` and ``guess_t`` for each attribute t, int64 [N]."""
        return attribute_columns(truth, guess)

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The mean accuracy, float64 [R]."""
        right = torch.stack([truth == guess for truth, guess in target_pairs(columns)])
        return weights @ right.double().mean(dim=0) / weights.sum(dim=1)

    def is_share(self, columns: Columns) -> bool:
        """Whether there is one attribute."""
        return len(target_pairs(columns)) == 1
