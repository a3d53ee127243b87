"""The floor: an adversary who answers from the prior."""

from __future__ import annotations

from typing import ClassVar, Literal, cast

import torch
from pydantic import Field

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.game import Challenge, Game
from privbench.core.registry import register
from privbench.core.view import AdversaryView


@register("blind")
class Blind(Attack):
    """Plays every game without looking at the release: what any adversary gets for free.

    The best guess from the prior alone is each game's own to say: the same score for all candidates, the
    mean auxiliary image (with ``aim=ssim`` the constant image that is most similar to auxiliary images),
    the majority value of an attribute.
    """

    source: ClassVar[str] = "privbench's floor: the best constant answer of a prior-only adversary"
    games: ClassVar[frozenset[str]] = frozenset()
    ignores_defense: ClassVar[bool] = True

    aim: Literal["mse", "ssim"] = Field("mse", description="which constant image is the best guess")

    @property
    def plays(self) -> frozenset[str]:
        """Every game that is known, if this configuration is one of its floors."""
        games = (cast("Game", registry.create("game", name)) for name in registry.usable("game"))
        return frozenset(game.registry_name for game in games if self.selector in game.floors)

    def guess(self, view: AdversaryView, challenge: Challenge) -> torch.Tensor:
        """One answer for every sample, in the challenge's own shape."""
        return view.game.floor(view, challenge, self.aim)
