"""Balanced membership accuracy at a threshold that is chosen on other candidates."""

from __future__ import annotations

import torch

from privbench.core.game import Truth
from privbench.core.metric import Columns, ScoringContext
from privbench.core.registry import register
from privbench.metrics._membership import MembershipMetric, membership_columns
from privbench.metrics._roc import roc, weight_blocks


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
        figures = []
        for block in weight_blocks(weights):
            curves = [_balanced(columns, block * part) for part in (half, 1 - half)]
            best = [_first_best(curve) for curve in curves]
            scored = torch.stack([curves[0].gather(1, best[1]), curves[1].gather(1, best[0])])
            figures.append(scored.mean(dim=0)[:, 0])
        return torch.cat(figures)


def _first_best(curve: torch.Tensor) -> torch.Tensor:
    """The strictest of the best thresholds, int64 [R, 1]; which that is must not hang on rounding."""
    return (curve >= curve.amax(dim=1, keepdim=True) - 1e-9).to(torch.uint8).argmax(dim=1, keepdim=True)


def _balanced(columns: Columns, weights: torch.Tensor) -> torch.Tensor:
    """Balanced accuracy at every threshold, float64 [R, G + 1]."""
    true_positive, false_positive = roc(columns, weights)
    return 0.5 + (true_positive - false_positive) / 2
