"""The floor: an adversary who answers from the prior."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field

from privbench.attacks._priors import auxiliary_targets, most_similar_image
from privbench.core.attack import Attack
from privbench.core.games import Challenge, FeatureChallenge, MembershipChallenge
from privbench.core.registry import register
from privbench.core.threat import Game, Knowledge, Surface
from privbench.core.view import AdversaryView


@register("blind")
class Blind(Attack):
    """Plays without looking at the release: what any adversary gets for free.

    Membership: the same score for all. Reconstruction: the mean auxiliary image, or with
    ``aim=ssim`` the constant image that is most similar to auxiliary images. Features: the
    majority value in the auxiliary data.
    """

    source: ClassVar[str] = "privbench's floor: the best constant answer of a prior-only adversary"
    games = frozenset(Game)
    needs: ClassVar[frozenset[Surface]] = frozenset()
    knowledge = Knowledge.PUBLIC_PRIOR

    aim: Literal["mse", "ssim"] = Field("mse", description="which constant image is the best guess")

    def guess(self, view: AdversaryView, challenge: Challenge) -> torch.Tensor:
        """One answer for every sample, in the challenge's own shape."""
        if isinstance(challenge, MembershipChallenge):
            return torch.zeros(len(challenge))
        if isinstance(challenge, FeatureChallenge):
            majority = auxiliary_targets(view, challenge).mode(dim=0).values
            return majority.expand(len(challenge), -1).clone()
        if self.aim == "ssim":
            best = most_similar_image(view)
        else:
            best = view.auxiliary.images.double().mean(0).float()
        return best.expand(len(challenge), *challenge.image_shape).clone()
