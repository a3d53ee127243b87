"""Membership inference by likelihood ratios over shadow models."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field

from privbench.attacks._likelihood import in_out_means, online_scores, stable_logit, variance
from privbench.attacks._shadows import ShadowAttack
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipChallenge


def offline_scores(
    target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor, per_sample: bool = False
) -> torch.Tensor:
    """-log Pr[a non-member's logit exceeds the target's], mean over queries: float64 [N].

    Arguments are those of ``_likelihood.online_scores``; shadows that trained on a sample are not used for it
    unless no other is left.
    """
    membership = membership.to(target.device)
    _, mean_out = in_out_means(shadows, membership)
    deviation = variance(shadows, ~membership, mean_out, per_sample).sqrt()
    tail: torch.Tensor = torch.special.log_ndtr((mean_out - target) / deviation)
    return -tail.mean(0)


@register("lira")
class Lira(ShadowAttack):
    """Likelihood-ratio attack: is the target's logit more like a member's or a non-member's?

    Each sample's stable logit log p_y - log(1 - p_y) is modelled as Gaussian, once over the shadows
    that trained on the sample and once over those that did not. ``online`` scores the ratio;
    ``offline`` uses the non-members' Gaussian alone. With fewer than about 64 shadows a variance
    pooled over samples (``global``) is the better estimate.
    """

    source: ClassVar[str] = (
        "Carlini, Chien, Nasr, Song, Terzis, Tramer, Membership Inference Attacks From First Principles, "
        "IEEE S&P 2022, algorithm 1 and eq. (4)"
    )

    mode: Literal["online", "offline"] = Field("online", description="both Gaussians, or non-members' only")
    variance: Literal["global", "per-sample"] = Field("global", description="pooled over samples or not")

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Membership scores, float64 [N]: higher for members."""
        target, shadows, trained = self.observe(view, challenge, stable_logit)
        score = online_scores if self.mode == "online" else offline_scores
        return score(target, shadows, trained.membership, self.variance == "per-sample")
