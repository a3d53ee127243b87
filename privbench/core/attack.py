"""The base of attacks; each game's file has the base of those that play it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import torch

from privbench.core.method import Method
from privbench.core.threat import Knowledge
from privbench.core.view import AdversaryView


class Attack(Method):
    """An adversary's strategy, and its threat model.

    Attributes:
        games: names of the games it plays; an attack belongs to the family of each.
        needs: names of the surfaces it reads or queries; its view has no others.
        knowledge: what it assumes of the adversary; its view has nothing else.
        tasks: the tasks whose models it can read; None: any.
        pairs: how many known pairs it asks for, where it knows pairs.
        ignores_defense: whether its guess follows from the challenge and public data alone, so that it is
            made once for all defenses.
    """

    kind = "attack"
    games: ClassVar[frozenset[str]]
    needs: ClassVar[frozenset[str]] = frozenset()
    knowledge: ClassVar[frozenset[Knowledge]] = frozenset({Knowledge.PUBLIC_PRIOR})
    tasks: ClassVar[frozenset[str] | None] = None
    pairs: ClassVar[int] = 0
    ignores_defense: ClassVar[bool] = False

    @property
    def plays(self) -> frozenset[str]:
        """The games that this configuration of the attack plays."""
        return self.games

    @property
    def required_surfaces(self) -> frozenset[str]:
        """The surfaces that this configuration of the attack needs."""
        return frozenset(self.needs)

    @property
    def required_knowledge(self) -> frozenset[Knowledge]:
        """What this configuration of the attack assumes of the adversary."""
        return frozenset(self.knowledge)

    @property
    def required_pairs(self) -> int:
        """How many known pairs this configuration of the attack asks for."""
        return self.pairs

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: Any) -> torch.Tensor:
        """The guess for ``challenge``; its shape and type are the game's."""
