"""Membership inference where a service answers with labels alone."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._calibration import Learner, calibrated, relations
from privbench.attacks._likelihood import in_out_means
from privbench.attacks._shadows import OwnShadows, augmented, without_repeats
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipChallenge

_RINGS = ((0, 1), (1, 5), (5, 13), (13, 25))
"""The shifts of ``augmented`` that lie equally far from the image: itself, by one pixel, further."""
_PRIOR = 1.0
"""How many shadows' answers a sample's own shares are pulled towards the mean share by."""


def vote_ratio(target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor) -> torch.Tensor:
    """The log-likelihood ratio of right and wrong answers, member against non-member: float64 [N].

    Args:
        target: [N, Q], the shares of right answers in Q queries.
        shadows: [K, N, Q].
        membership: bool [K, N].
    """
    answers = shadows.movedim(-1, 0)
    shares = []
    for mean, side in zip(in_out_means(answers, membership), (membership, ~membership), strict=True):
        count = side.sum(0).double()
        common = mean.mean(1, keepdim=True).clamp(0.01, 0.99)
        shares.append((count * mean.clamp(0, 1) + _PRIOR * common) / (count + _PRIOR))
    inside, outside = shares
    right = target.T
    ratio = right * (inside / outside).log() + (1 - right) * ((1 - inside) / (1 - outside)).log()
    return ratio.sum(0)


def vote_statistics(target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor) -> torch.Tensor:
    """What the shares of right answers say: of all queries, of the nearer and further shifts: [N, G]."""
    found = [
        relations(target.mean(-1), shadows.mean(-1), membership),
        vote_ratio(target, shadows, membership)[:, None],
    ]
    for start, end in _RINGS:
        if start < target.shape[-1]:
            near = relations(target[:, start:end].mean(-1), shadows[..., start:end].mean(-1), membership)
            found.append(near[:, :4])
    return torch.cat(found, -1)


@register("label-only")
class LabelOnly(OwnShadows):
    """Members keep their label under small shifts of the image; shadows say how much that means for each.

    The image and its nearest shifts are sent, and whether the label is right is all that is read, of the
    target and of the adversary's own shadows. Learners that told the shadows' members by the others'
    answers (as in ``stacked``) tell the target's. A random service is asked ``rounds`` times.
    """

    source: ClassVar[str] = (
        "Choquette-Choo, Tramer, Carlini, Papernot, Label-Only Membership Inference Attacks, ICML 2021, "
        "section 4.2 (translations), calibrated on shadows"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"labels"})

    queries: int = Field(9, ge=1, le=25, description="the image and its nearest shifts")
    rounds: int = Field(2, ge=1, le=64, description="of queries, where the service answers at random")
    learner: Learner = Field("both", description="logistic regression, boosted trees, or their mean")

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Membership scores, float64 [N]: higher for members."""
        images, labels = challenge.images.to(view.device), challenge.labels.to(view.device)
        sent = [augmented(images, query) for query in range(self.queries)]
        rounds = without_repeats(
            torch.stack([
                torch.stack([view.labels(shifted) == labels for shifted in sent], -1).double()
                for _ in range(self.rounds)
            ])
        )  # fmt: skip
        shadows = self.trained(view, challenge)
        theirs = torch.zeros(*shadows.membership.shape, self.queries, dtype=torch.float64, device=view.device)
        for number in range(len(rounds)):
            for query, shifted in enumerate(sent):
                answer = shadows.log_probs(shifted, draw=number * self.queries + query).argmax(-1)
                theirs[..., query] += (answer == labels).double() / len(rounds)
        return calibrated(
            rounds.mean(0), theirs, shadows.membership, vote_statistics, self.learner, view.seed("learner")
        )
