"""Membership inference by the model's loss."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._likelihood import true_log_prob
from privbench.attacks._shadows import ask_target
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.core.threat import Knowledge
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipAttack, MembershipChallenge


@register("loss-threshold")
class LossThreshold(MembershipAttack):
    """Members have a lower loss: the score is log p_y, averaged over queries."""

    source: ClassVar[str] = (
        "Yeom, Giacomelli, Fredrikson, Jha, Privacy Risk in Machine Learning, IEEE CSF 2018, adversary 2"
    )
    knowledge: ClassVar[frozenset[Knowledge]] = frozenset()

    queries: int = Field(
        1, ge=1, le=256, description="queries of each image; more help against a random defense"
    )

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Minus the cross-entropy, float64 [N]."""
        data = LabelledImages(challenge.images.to(view.device), challenge.labels.to(view.device))
        return ask_target(view, data, self.queries, true_log_prob).mean(0)
