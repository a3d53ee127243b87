"""Membership AUC: the chance that a member scores above a non-member."""

from __future__ import annotations

import torch

from privbench.core.game import Truth
from privbench.core.metric import Columns, Metric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._roc import membership_columns, weight_blocks


@register("auc")
class Auc(Metric):
    """Area under the ROC curve, ties counted half. Chance is 0.5.

    A mean over candidates: it can stay near 0.5 while a few members are given away. Read it
    with the true positive rate at a low false positive rate.
    """

    source = "Hanley, McNeil, The meaning and use of the area under a ROC curve, Radiology 1982"
    subject = "membership"
    rates = True
    headline = True

    def columns(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> Columns:
        """``score`` and ``member``, float64 [N]."""
        return membership_columns(truth, guess)

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The weighted area, float64 [R]; NaN for rows without a member or a non-member."""
        member = columns["member"] == 1
        inside = columns["score"][member]
        outside, order = columns["score"][~member].sort()
        below = torch.searchsorted(outside, inside)
        not_above = torch.searchsorted(outside, inside, right=True)
        areas = []
        for block in weight_blocks(weights):
            member_weight = block[:, member]
            passed = torch.nn.functional.pad(block[:, ~member][:, order].cumsum(dim=1), (1, 0))
            wins = (member_weight * (passed[:, below] + passed[:, not_above])).sum(dim=1) / 2
            areas.append(wins / (member_weight.sum(dim=1) * passed[:, -1]))
        return torch.cat(areas)
