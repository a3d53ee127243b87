"""Membership inference by pairwise likelihood ratios against a population."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from pydantic import Field

from privbench.attacks._likelihood import in_out_means, true_log_prob
from privbench.attacks._shadows import ShadowAttack, ask_shadows, ask_target
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipChallenge

_LEAST = 1e-30


def dominated_share(log_ratio: torch.Tensor, population: torch.Tensor, gamma: float) -> torch.Tensor:
    """The share of the population z with ratio(x) / ratio(z) >= gamma: float64 [N].

    Args:
        log_ratio: [N], log of p(x | target) / p(x) for each candidate.
        population: [Z], the same for the population.
        gamma: the ratio that counts as domination.
    """
    ordered = population.sort().values
    return torch.searchsorted(ordered, log_ratio - math.log(gamma), right=True).double() / len(ordered)


@register("rmia")
class Rmia(ShadowAttack):
    """Relative membership attack: does the target favour x more than it favours strangers?

    p(x | target) / p(x) is compared with the same ratio of population samples z from the auxiliary
    data; the score is the share of z that x dominates. p(x) is the mean of the shadows' mean
    probabilities with and without x (``online``), or ((1 + a) p_out + 1 - a) / 2 (``offline``, and
    for z, which no shadow trained on). With one target the share rises with the ratio of x alone:
    ``gamma`` and z set its scale and ties, which the ratio breaks, and not the ranking.
    """

    source: ClassVar[str] = (
        "Zarifzadeh, Liu, Shokri, Low-Cost High-Power Membership Inference Attacks, ICML 2024, eqs. (2)-(11)"
    )

    mode: Literal["online", "offline"] = Field("online", description="use shadows that trained on x, or not")
    a: float = Field(0.33, ge=0, le=1, description="offline: how far p_in rises above p_out")
    gamma: float = Field(1.0, ge=1, le=100, description="ratio that counts as domination")
    population: int = Field(1000, ge=10, description="auxiliary images to compare with, at most")

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Membership scores, float64 [N] in [0, 1]: higher for members."""
        target, shadows, trained = self.observe(view, challenge, true_log_prob)
        inside, outside = in_out_means(shadows.exp(), trained.membership)
        prior = (inside + outside) / 2 if self.mode == "online" else self._offline(outside)
        # A mean lies above the least of its terms; the means that in_out_means fills in may not.
        prior = torch.maximum(prior, shadows.exp().amin(1)).clamp(_LEAST, 1)
        log_ratio = target - prior.log()

        generator = torch.Generator().manual_seed(view.seed("population"))
        chosen = torch.randperm(len(view.auxiliary), generator=generator)[: self.population]
        strangers = view.auxiliary[chosen.to(view.auxiliary.images.device)].to(view.device)
        target_z = ask_target(view, strangers, self.queries, true_log_prob, self.change(view))
        prior_z = (
            ask_shadows(trained, strangers, self.queries, true_log_prob, self.change(view)).exp().mean(1)
        )
        log_ratio_z = target_z - self._offline(prior_z).clamp(_LEAST, 1).log()

        scores = []
        for x, z in zip(log_ratio, log_ratio_z, strict=True):
            # Many candidates dominate the same number of z, up to all of them. Their own ratios tell them
            # apart, in steps smaller than one z; without that, ties at the top hide every low FPR.
            scores.append((dominated_share(x, z, self.gamma) * len(z) + x.sigmoid()) / (len(z) + 1))
        return torch.stack(scores).mean(0)

    def _offline(self, outside: torch.Tensor) -> torch.Tensor:
        return ((1 + self.a) * outside + (1 - self.a)) / 2
