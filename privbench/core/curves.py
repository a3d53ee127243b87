"""Learning curves: whether more training would have brought more."""

from __future__ import annotations

from collections.abc import Sequence

WORTH = 0.02
"""Training that brings less than this share of all that a loss fell brings nothing more."""

_LEAST_POINTS = 5


def still_falling(losses: Sequence[float]) -> bool:
    """Whether the last fifth of a curve brought more than 2% of all that it fell; False below five points."""
    if len(losses) < _LEAST_POINTS:
        return False
    late = losses[-1 - len(losses) // 5] - losses[-1]
    return late > WORTH * (losses[0] - losses[-1]) > 0
