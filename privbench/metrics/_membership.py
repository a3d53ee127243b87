"""What metrics of membership scores share."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from privbench.core.errors import DataError, PrivbenchError
from privbench.core.game import Truth
from privbench.core.metric import Columns, Metric, ScoringContext
from privbench.metrics._checks import finite


class MembershipMetric(Metric):
    """Compares the scores of members and of non-members."""

    subject = "membership"

    def columns(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> Columns:
        """``score`` and ``member``, float64 [N]."""
        return membership_columns(truth, guess)

    def sides(self, columns: Columns) -> Sequence[torch.Tensor]:
        """Members and non-members."""
        return columns["member"] == 1, columns["member"] == 0


def membership_columns(truth: Truth, guess: torch.Tensor) -> Columns:
    """The columns of every membership metric: ``score`` and ``member`` (0 or 1), float64 [N].

    Raises:
        PrivbenchError: the truth belongs to another game, or the scores are not finite or not [N].
        DataError: there are no members, or no non-members.
    """
    if truth.members is None:
        raise PrivbenchError("this metric needs to know the members, which the truth does not hold")
    member = truth.members.bool().cpu()
    if guess.shape != member.shape:
        raise PrivbenchError(f"{tuple(guess.shape)} scores for {tuple(member.shape)} candidates")
    if member.all() or not member.any():
        raise DataError(
            "the candidates are all members or all non-members. A membership game needs both: "
            "give the dataset more images."
        )
    return {"score": finite(guess.double().cpu(), "membership scores"), "member": member.double()}
