"""True positive rate at a low false positive rate, with exact intervals."""

from __future__ import annotations

import math
from typing import ClassVar

import torch

from privbench.core.metric import Columns
from privbench.metrics._membership import MembershipMetric
from privbench.metrics._ranked import Ranked, ranked
from privbench.stats.proportions import clopper_pearson

MIN_FALSE_POSITIVES = 10


def tpr_at(columns: Columns, weights: torch.Tensor, fpr: float) -> torch.Tensor:
    """The highest true positive rate among ROC steps whose false positive rate is at most ``fpr``.

    Never interpolated: scores that tie are let in together or not at all. float64 [R]; NaN for
    rows without a member or a non-member.
    """
    return torch.cat([_rates(block, fpr) for block in ranked(columns, weights)])


def _rates(found: Ranked, fpr: float) -> torch.Tensor:
    hits, alarms = found.steps(found.hits), found.steps(found.alarms)
    # The slack admits k / n when fpr is that very fraction in binary rounding.
    allowed = alarms[:, -1:].double() * (fpr * (1 + 1e-9))
    if found.whole:
        allowed = allowed.floor()
    taken = torch.searchsorted(alarms.contiguous(), allowed.to(alarms.dtype), right=True)
    reached = hits.gather(1, (taken - 1).clamp(min=0)).double() * (taken > 0)
    rates = (reached / hits[:, -1:].double())[:, 0]
    return torch.where(alarms[:, -1] > 0, rates, torch.nan)


def exact_interval(columns: Columns, fpr: float, level: float = 0.95) -> tuple[float, float]:
    """Distribution-free interval of the true positive rate at false positive rate ``fpr``.

    With s(1) >= s(2) >= ... the non-members' scores:

    - low: take the largest k whose Clopper-Pearson upper bound of k false positives is at most
      ``fpr``. The threshold just above s(k+1) then keeps the promised rate, and the lower bound
      is Clopper-Pearson's for the members above it (0 when no k is);
    - high: take the smallest k whose Clopper-Pearson lower bound is at least ``fpr``. The
      threshold s(k) then lets in too much, and the upper bound is Clopper-Pearson's for the
      members at or above it.

    k depends on the sample size alone, so bounds on the rate at an order statistic are exact.
    Each of the four bounds has a tail of (1 - level) / 4, hence coverage is at least ``level``
    whatever the scores' distribution; ties only widen it. It holds for independent candidates.
    """
    (found,) = ranked(columns, torch.ones(1, len(columns["score"]), dtype=torch.float64))
    hits, alarms = (torch.nn.functional.pad(found.steps(s)[0], (1, 0)) for s in (found.hits, found.alarms))
    members, others = int(hits[-1]), int(alarms[-1])
    joint = (1 + level) / 2
    centre = math.floor(fpr * others)
    below = next((k for k in range(centre, -1, -1) if clopper_pearson(k, others, joint)[1] <= fpr), None)
    above = next((k for k in range(centre, others + 1) if clopper_pearson(k, others, joint)[0] >= fpr), None)
    low, high = 0.0, 1.0
    if below is not None:
        sure = int(hits[alarms <= below][-1])
        low = clopper_pearson(sure, members, joint)[0]
    if above is not None:
        most = int(hits[alarms >= above][0])
        high = clopper_pearson(most, members, joint)[1]
    return low, high


class TprAtFpr(MembershipMetric):
    """Base: the true positive rate at the false positive rate ``fpr``.

    Not quoted where the sample does not resolve it: the value is NaN when fewer than 10 false
    positives would be allowed, and ``unresolved`` says so.
    """

    source = "Carlini et al., Membership inference attacks from first principles, IEEE S&P 2022, sec. III"
    fpr: ClassVar[float]

    def unresolved(self, columns: Columns) -> str | None:
        """Why the sample cannot give this figure, or None when it can."""
        needed = math.ceil(MIN_FALSE_POSITIVES / self.fpr)
        others = int((1 - columns["member"]).sum())
        return f"needs at least {needed} non-members, has {others}" if others < needed else None

    def statistic(self, columns: Columns, weights: torch.Tensor) -> torch.Tensor:
        """The rate, float64 [R]; NaN throughout when the sample does not resolve it."""
        if self.unresolved(columns):
            return torch.full((len(weights),), torch.nan, dtype=torch.float64)
        return tpr_at(columns, weights, self.fpr)

    def exact(self, columns: Columns) -> tuple[float, float] | None:
        """Whatever the scores' distribution; see ``exact_interval``."""
        return None if self.unresolved(columns) else exact_interval(columns, self.fpr)
