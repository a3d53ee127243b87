"""Membership: which of these were trained on?"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch

from privbench.core.attack import Attack
from privbench.core.deployment import Case
from privbench.core.game import Challenge, Game, Truth, checked, clusters_of
from privbench.core.registry import register
from privbench.core.view import AdversaryView


@dataclass(frozen=True)
class MembershipChallenge(Challenge):
    """Which of these were trained on? The guess is float [N]: higher means a member.

    Attributes:
        images: float32 [N, C, H, W] in [0, 1], the candidates.
        labels: int64 [N], their task labels.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)


@register("membership")
class Membership(Game):
    """Candidates are shown, each a member with probability 1/2; the adversary asks the model alone.

    Whoever sees the release itself plays ``linkage``. Updates of a round count as the model's.
    """

    source = "Yeom, Giacomelli, Fredrikson, Jha, Privacy risk in machine learning, CSF 2018, experiment 1"
    subject = "membership"
    played_on = frozenset({"scores", "labels", "weights", "updates"})

    def challenge(self, case: Case, surfaces: frozenset[str]) -> MembershipChallenge:
        """All candidates, but for those that the adversary knows to be members."""
        candidates, kept = case.parts.candidates, case.kept()
        candidates = candidates if kept is None else candidates[kept]
        candidates = candidates.to(case.deployment.device)
        return MembershipChallenge(candidates.images, case.deployment.task.labels(candidates))

    def truth(self, case: Case) -> Truth:
        """Who was a member."""
        candidates, members, kept = case.parts.candidates, case.parts.members, case.kept()
        if kept is not None:
            candidates, members = candidates[kept], members[kept]
        return Truth(members=members, index=kept, clusters=clusters_of(candidates))

    def check(self, challenge: MembershipChallenge, guess: object) -> torch.Tensor:
        """Float64 [N]."""
        return checked(guess, (len(challenge),)).double()

    def floor(self, view: AdversaryView, challenge: MembershipChallenge, aim: str) -> torch.Tensor:
        """The same score for all."""
        return torch.zeros(len(challenge))

    def pool(self, case: Case) -> torch.Tensor:
        """Any of the private images."""
        return case.order


class MembershipAttack(Attack):
    """Tells training members from non-members: one score for each candidate, higher for members."""

    games = frozenset({"membership"})
    needs = frozenset({"scores"})
    tasks = frozenset({"classes"})

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Membership scores, float [N]."""
