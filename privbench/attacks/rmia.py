"""Membership inference by pairwise likelihood ratios against a population."""

from __future__ import annotations

import math
from functools import partial
from typing import ClassVar, Literal

import torch
from pydantic import Field

from privbench.attacks._likelihood import log_ratio, pooled_logit, stable_logit
from privbench.attacks._shadows import ShadowAttack, ask_shadows, ask_target
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipChallenge


def dominated_share(ratios: torch.Tensor, population: torch.Tensor, gamma: float) -> torch.Tensor:
    """The share of the population z with ratio(x) / ratio(z) >= gamma: float64 [N].

    Args:
        ratios: [N], log of p(x | target) / p(x) for each candidate.
        population: [Z], the same for the population.
        gamma: the ratio that counts as domination.
    """
    ordered = population.sort().values
    return torch.searchsorted(ordered, ratios - math.log(gamma), right=True).double() / len(ordered)


@register("rmia")
class Rmia(ShadowAttack):
    """Relative membership attack: does the target favour x more than it favours strangers?

    p(x | target) / p(x) is compared with the same ratio of population samples z from the auxiliary
    data; the score is the share of z that x dominates. p(x) is the mean of the shadows' mean
    probabilities with and without x (``online``), or ((1 + a) p_out + 1 - a) / 2 (``offline``, and
    for z, which no shadow trained on). Probabilities are those of a softmax at ``temperature``, and of a
    random service the mean over its answers. With one target the share rises with the ratio of x alone:
    ``gamma`` and z set its scale and ties, which the ratio breaks, and not the ranking.
    """

    source: ClassVar[str] = (
        "Zarifzadeh, Liu, Shokri, Low-Cost High-Power Membership Inference Attacks, ICML 2024, "
        "eqs. (2)-(11), with the temperature of LeakPro"
    )

    mode: Literal["online", "offline"] = Field("online", description="use shadows that trained on x, or not")
    a: float = Field(0.33, ge=0, le=1, description="offline: how far p_in rises above p_out")
    gamma: float = Field(1.0, ge=1, le=100, description="ratio that counts as domination")
    population: int = Field(1000, ge=10, description="auxiliary images to compare with, at most")
    temperature: float = Field(2.0, gt=0, le=100, description="the model's outputs are divided by it")
    queries: int = Field(
        4,
        ge=1,
        le=256,
        description="queries of each image, whose probabilities are pooled",
    )

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Membership scores, float64 [N] in [0, 1]: higher for members."""
        statistic = partial(stable_logit, temperature=self.temperature)
        target, shadows, trained = self.observe(view, challenge, statistic)
        own = log_ratio(
            pooled_logit(target),
            pooled_logit(shadows),
            trained.membership,
            None if self.mode == "online" else self.a,
        )
        strangers = self._strangers(view)
        # They set the scale and not the ranking, for which one query is enough.
        target_z, shadows_z = (
            ask_target(view, strangers, 1, statistic)[0],
            ask_shadows(trained, strangers, 1, statistic)[0],
        )
        nowhere = torch.zeros(shadows_z.shape, dtype=torch.bool)
        theirs = log_ratio(target_z, shadows_z, nowhere, self.a)
        # Many candidates dominate the same number of z, up to all of them. Their own ratios tell them
        # apart, in steps smaller than one z; without that, ties at the top hide every low FPR.
        return (dominated_share(own, theirs, self.gamma) * len(theirs) + own.sigmoid()) / (len(theirs) + 1)

    def _strangers(self, view: AdversaryView) -> LabelledImages:
        generator = torch.Generator().manual_seed(view.seed("population"))
        chosen = torch.randperm(len(view.auxiliary), generator=generator)[: self.population]
        return view.auxiliary[chosen.to(view.auxiliary.images.device)].to(view.device)
