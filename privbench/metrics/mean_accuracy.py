"""Accuracy of a deployed model that tells attributes."""

from __future__ import annotations

import torch

from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._attribute import target_pairs
from privbench.metrics._attributes import answered_columns


@register("mean-accuracy")
class MeanAccuracy(MeanMetric):
    """The share of right answers, mean over attributes. A constant answer earns the majority's share."""

    source = "Mean over attributes of the share of right answers"
    subject = "attribute-utility"
    higher_is = "better"
    hits = True

    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """The share of the attributes that are right for each image, float64 [N]."""
        pairs = target_pairs(answered_columns(truth, guess))
        return torch.stack([true == answer for true, answer in pairs]).double().mean(dim=0)
