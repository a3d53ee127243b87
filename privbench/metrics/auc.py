"""Membership AUC: the chance that a member scores above a non-member."""

from __future__ import annotations

import torch

from privbench.core.metric import Columns
from privbench.core.registry import register
from privbench.metrics._membership import MembershipMetric
from privbench.metrics._ranked import Ranked, ranked


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
        return torch.cat([_area(block) for block in ranked(columns, weights)])


def _area(found: Ranked) -> torch.Tensor:
    hits, alarms = found.steps(found.hits), found.steps(found.alarms)
    gained = torch.diff(hits, dim=1, prepend=torch.zeros_like(hits[:, :1]))
    # Non-members below a group, twice, with those inside it once.
    beaten = 2 * alarms[:, -1:] - alarms
    beaten[:, 1:] -= alarms[:, :-1]
    if not found.exact_products:
        gained, beaten = gained.double(), beaten.double()
    wins: torch.Tensor = torch.linalg.vecdot(gained, beaten).double() / 2
    return wins / (hits[:, -1].double() * alarms[:, -1].double())
