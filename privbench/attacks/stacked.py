"""Membership inference by statistics of shadows that are weighed by what they told about the shadows."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._calibration import Learner, calibrated, logits_by_temperature, shadow_statistics
from privbench.attacks._likelihood import pooled_logit
from privbench.attacks._shadows import ShadowAttack
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipChallenge


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
