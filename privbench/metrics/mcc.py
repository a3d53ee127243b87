"""Matthews' correlation coefficient of a deployed model."""

from __future__ import annotations

import torch

from privbench.core.game import Truth
from privbench.core.metric import Columns, Metric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._mcc import constant, matthews
from privbench.metrics._utility import labelled_logits


@register("mcc")
class Mcc(Metric):
    """The multiclass coefficient of labels and likeliest classes; 0 for a constant answer."""

    source = "Gorodkin, Comparing two K-category assignments, 2004, eq. 8"
    subject = "utility"
    higher_is = "better"
    bounds = (-1.0, 1.0)

    def columns(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> Columns:
        """``truth`` and ``guess``, classes as int64 [N]."""
        labels, logits = labelled_logits(truth, guess)
        return {"truth": labels.cpu(), "guess": logits.argmax(dim=1).cpu()}

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The weighted coefficient, float64 [R]."""
        return matthews(columns["truth"], columns["guess"], weights)

    def unresolved(self, columns: Columns) -> str | None:
        """Why there is no figure: all images are of one class."""
        if not constant([(columns["truth"], columns["guess"])]):
            return None
        return "all images are of one class, and a coefficient is defined of what varies only"
