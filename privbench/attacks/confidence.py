"""Membership inference by the model's confidence."""

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


def top_log_prob(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:  # noqa: ARG001
    """The largest log-probability, whatever the label: float64 [..., N]."""
    return true_log_prob(log_probs, log_probs.argmax(-1))


@register("confidence")
class Confidence(MembershipAttack):
    """Members are answered with more confidence: the score is the largest log-probability.

    It needs neither labels nor shadow models.
    """

    source: ClassVar[str] = (
        "Salem, Zhang, Humbert, Berrang, Fritz, Backes, ML-Leaks, NDSS 2019, adversary 3 (maximum posterior)"
    )
    knowledge: ClassVar[frozenset[Knowledge]] = frozenset()

    queries: int = Field(
        1, ge=1, le=256, description="queries of each image; more help against a random defense"
    )

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """The largest log-probability of each image, float64 [N], mean over queries."""
        data = LabelledImages(challenge.images.to(view.device), challenge.labels.to(view.device))
        return ask_target(view, data, self.queries, top_log_prob).mean(0)
