"""Top-k accuracy of a deployed model."""

from __future__ import annotations

import torch
from pydantic import Field

from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._utility import labelled_logits


@register("accuracy")
class Accuracy(MeanMetric):
    """The share of images whose class is among the k likeliest.

    Where the true class ties with others for the last places, it counts by its chance of getting
    one, so that a model which answers the same for all classes has k / K.
    """

    source = "Share of images whose true class is among the k highest logits"
    subject = "utility"
    higher_is = "better"
    headline = True
    hits = True

    k: int = Field(1, ge=1, description="how many of the likeliest classes may hold the true one")

    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """1 for a hit, 0 for a miss, between for ties: float64 [N]."""
        labels, logits = labelled_logits(truth, guess)
        own = logits.gather(1, labels[:, None])
        ahead = (logits > own).sum(dim=1)
        tied = (logits == own).sum(dim=1)
        return ((self.k - ahead).double() / tied).clamp(0, 1)
