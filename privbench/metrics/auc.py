"""Membership AUC: the chance that a member scores above a non-member."""

from __future__ import annotations

import torch

from privbench.core.metric import Columns
from privbench.core.registry import register
from privbench.metrics._membership import MembershipMetric
from privbench.metrics._roc import weight_blocks


@register("auc")
class Auc(MembershipMetric):
    """Area under the ROC curve, ties counted half. Chance is 0.5.

    A mean over candidates: it can stay near 0.5 while a few members are given away. Read it
    with the true positive rate at a low false positive rate.
    """

    source = "Hanley, McNeil, The meaning and use of the area under a ROC curve, Radiology 1982"
    rates = True
    headline = True

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The weighted area, float64 [R]; NaN for rows without a member or a non-member."""
        member = columns["member"] == 1
        inside, outside = member.nonzero()[:, 0], (~member).nonzero()[:, 0]
        scores, order = columns["score"][outside].sort()
        outside = outside[order]
        below = torch.searchsorted(scores, columns["score"][inside])
        not_above = torch.searchsorted(scores, columns["score"][inside], right=True)
        tied = not torch.equal(below, not_above)
        areas = []
        for block in weight_blocks(weights):
            member_weight = block.index_select(1, inside)
            passed = torch.nn.functional.pad(block.index_select(1, outside).cumsum(dim=1), (1, 0))
            beaten = passed.index_select(1, below)
            if tied:
                beaten = (beaten + passed.index_select(1, not_above)) / 2
            wins = (member_weight * beaten).sum(dim=1)
            areas.append(wins / (member_weight.sum(dim=1) * passed[:, -1]))
        return torch.cat(areas)
