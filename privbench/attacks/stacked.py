"""Membership inference by statistics of shadows that are weighed by what they told about the shadows."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._calibration import Learner, calibrated, relations
from privbench.attacks._likelihood import log_ratio, pooled_logit, stable_logit
from privbench.attacks._shadows import ShadowAttack
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipChallenge

_TEMPERATURES = (1.0, 2.0, 4.0)
_RISE = 0.33
"""How far p_in rises above p_out, in the ratio that uses non-members alone."""


def logits_by_temperature(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Stable logits at three temperatures of the softmax: [..., N, 3]."""
    return torch.stack([stable_logit(log_probs, labels, t) for t in _TEMPERATURES], -1)


def shadow_statistics(target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor) -> torch.Tensor:
    """What ``lira`` and ``rmia`` compute, online and offline, and what they compute it from: [N, 12].

    Args:
        target: [N, 3], the logits by temperature.
        shadows: [K, N, 3].
        membership: bool [K, N].
    """
    ratios = [
        log_ratio(target[:, t], shadows[..., t], membership, a)
        for t in range(len(_TEMPERATURES))
        for a in (None, _RISE)
    ]
    gaussian = relations(target[:, 0], shadows[..., 0], membership)
    return torch.cat([gaussian, torch.stack(ratios, -1)], -1)


@register("stacked")
class Stacked(ShadowAttack):
    """Combines the statistics of ``lira`` and ``rmia`` as they served best on the adversary's own shadows.

    Each shadow is attacked by the others; a logistic regression and gradient-boosted trees learn to tell
    its members from the two attacks' scores at three temperatures, and from the means and deviations
    behind them. What they learnt is applied to the target, with all shadows to compare with.
    """

    source: ClassVar[str] = (
        "privbench's; statistics of Carlini et al. 2022 and Zarifzadeh et al. 2024, stacked after Wolpert, "
        "Stacked generalization, Neural Networks 1992"
    )

    learner: Learner = Field("both", description="logistic regression, boosted trees, or their mean")
    queries: int = Field(
        4,
        ge=1,
        le=256,
        description="queries of each image, whose probabilities are pooled",
    )

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Membership scores, float64 [N]: higher for members."""
        target, shadows, trained = self.observe(view, challenge, logits_by_temperature)
        return calibrated(
            pooled_logit(target),
            pooled_logit(shadows),
            trained.membership,
            shadow_statistics,
            self.learner,
            view.seed("learner"),
        )
