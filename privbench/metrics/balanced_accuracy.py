"""Balanced membership accuracy at a threshold that is chosen on other candidates."""

from __future__ import annotations

from typing import NamedTuple

import torch

from privbench.core.game import Truth
from privbench.core.metric import Columns, ScoringContext
from privbench.core.registry import register
from privbench.metrics._membership import MembershipMetric, membership_columns
from privbench.metrics._ranked import Ranked, ranked


@register("balanced-accuracy")
class BalancedAccuracy(MembershipMetric):
    """The mean of true positive and true negative rate at a cross-fitted threshold.

    The threshold that is best on one half of the candidates is scored on the other, and the other way
    round, and the two figures are averaged. The best threshold on the very candidates that are scored
    would be optimistic: above 0.5 by 0.44 / sqrt(n) for n members and n non-members without any
    signal, and in bootstrap replicates once more.
    """

    source = "Yeom, Giacomelli, Fredrikson, Jha, Privacy risk in machine learning, CSF 2018 (advantage)"
    bounds = (0.0, 1.0)

    def columns(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> Columns:
        """``score``, ``member`` and ``half`` (0 or 1), float64 [N].

        Members and non-members are dealt to the halves in turn; their order is random.
        """
        columns = membership_columns(truth, guess)
        member = columns["member"]
        turn = torch.where(member == 1, member.cumsum(0), (1 - member).cumsum(0))
        return {**columns, "half": turn % 2}

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The cross-fitted balanced accuracy, float64 [R].

        NaN for rows without a member or a non-member in one of the halves.
        """
        half = columns["half"]
        return torch.cat([_crossed(block, half) for block in ranked(columns, weights)])


class _Curve(NamedTuple):
    """What is taken of one half at each of G thresholds: weights of members and of others, [R, G]."""

    hits: torch.Tensor
    alarms: torch.Tensor

    def first_best(self, found: Ranked) -> torch.Tensor:
        """The strictest of the best thresholds, int64 [R, 1], counted from 1; 0 takes nobody."""
        hits, alarms = (
            (self.hits, self.alarms) if found.exact_products else (self.hits.double(), self.alarms.double())
        )
        members, others = hits[:, -1:], alarms[:, -1:]
        gain = hits * others - alarms * members
        # Whole numbers differ by 1 or not at all; which threshold it is must not hang on rounding.
        slack = 0.5 if found.whole else 1e-9 * members * others
        most = gain.amax(dim=1, keepdim=True)
        first = (gain >= most - slack).to(torch.uint8).argmax(dim=1, keepdim=True)
        return torch.where(most > slack, first + 1, 0)

    def at(self, threshold: torch.Tensor) -> torch.Tensor:
        """The balanced accuracy at a threshold of each row, float64 [R]; NaN without members or others."""
        rates = [
            side.gather(1, (threshold - 1).clamp(min=0)).double() * (threshold > 0) / side[:, -1:].double()
            for side in (self.hits, self.alarms)
        ]
        return (0.5 + (rates[0] - rates[1]) / 2)[:, 0]


def _crossed(found: Ranked, half: torch.Tensor) -> torch.Tensor:
    """Each half at the threshold that is best on the other, float64 [B]."""
    half = half[found.order].to(found.hits.dtype)
    first = _Curve(
        found.steps((found.members * half).cumsum(dim=1)),
        found.steps((found.others * half).cumsum(dim=1)),
    )
    second = _Curve(found.steps(found.hits) - first.hits, found.steps(found.alarms) - first.alarms)
    chosen = [curve.first_best(found) for curve in (first, second)]
    return (first.at(chosen[1]) + second.at(chosen[0])) / 2
