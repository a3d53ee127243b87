"""The bases of attacks, one for each game."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch

from privbench.core.games import FeatureChallenge, MembershipChallenge, ReconstructionChallenge
from privbench.core.method import Method
from privbench.core.threat import Game, Knowledge, Surface
from privbench.core.view import AdversaryView


class Attack(Method):
    """An adversary's strategy.

    Attributes:
        games: the games it plays; an attack belongs to the family of each.
        needs: the surfaces it reads or queries.
        knowledge: what it assumes of the adversary.
    """

    kind = "attack"
    games: ClassVar[frozenset[Game]]
    needs: ClassVar[frozenset[Surface]] = frozenset()
    knowledge: ClassVar[Knowledge] = Knowledge.PUBLIC_PRIOR

    @property
    def required_surfaces(self) -> frozenset[Surface]:
        """The surfaces that this configuration of the attack needs."""
        return self.needs

    @property
    def required_knowledge(self) -> Knowledge:
        """The knowledge that this configuration of the attack assumes."""
        return self.knowledge

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: Any) -> torch.Tensor:
        """The guess for ``challenge``; its shape and type are the challenge's."""


class MembershipAttack(Attack):
    """Tells training members from non-members: one score for each candidate, higher for members."""

    games = frozenset({Game.MEMBERSHIP})
    needs = frozenset({Surface.SCORES})

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Membership scores, float [N]."""


class ReconstructionAttack(Attack):
    """Recovers the original images from released ones."""

    games = frozenset({Game.RECONSTRUCTION})
    needs = frozenset({Surface.IMAGES})

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: ReconstructionChallenge) -> torch.Tensor:
        """Reconstructed images, float [N, C, H, W] in [0, 1]."""


class FeatureAttack(Attack):
    """Infers hidden features of the original images from released ones."""

    games = frozenset({Game.FEATURE})
    needs = frozenset({Surface.IMAGES})

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: FeatureChallenge) -> torch.Tensor:
        """Feature values, int64 [N, T]."""
