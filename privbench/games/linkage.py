"""Linkage: whose release is among these?"""

from __future__ import annotations

from abc import abstractmethod

import torch

from privbench.core.attack import Attack
from privbench.core.deployment import Case
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.membership import Membership, MembershipChallenge


class LinkageChallenge(MembershipChallenge):
    """Which of these candidates are among the released? The guess is float [N]: higher means released.

    The whole release, in random order, is ``view.released``.
    """


@register("linkage")
class Linkage(Membership):
    """The candidates of the membership game, against an adversary who sees the release itself.

    A game of its own: what is released may give every member away, which would lift the ceiling of the
    membership game and shrink every leakage there.
    """

    source = "privbench's; Samarati, Sweeney, Protecting privacy when disclosing information, 1998 (linking)"
    played_on = frozenset({"images", "features", "updates", "ciphertexts"})
    beside = frozenset({"protect", "scores", "labels", "weights"})

    def challenge(self, case: Case, surfaces: frozenset[str]) -> LinkageChallenge:
        """All candidates, but for those that the adversary knows to be released."""
        asked = super().challenge(case, surfaces)
        return LinkageChallenge(asked.images, asked.labels)


class LinkageAttack(Attack):
    """Tells whose release is there: one score for each candidate, higher for those released."""

    games = frozenset({"linkage"})
    needs = frozenset({"images"})

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: LinkageChallenge) -> torch.Tensor:
        """Scores, float [N]."""
