"""What the choice of seeds adds to the spread of a figure that is averaged over them.

*Parts* are float64 [1 + L + R]: the estimate, the estimate without each of the S seeds in turn
(L = S; none for a single seed), and R replicates that resample samples within all S seeds. Sums,
differences and maxima of parts treat all entries alike, so what seeds or samples have in common
cancels. ``widened`` turns parts into *draws* [1 + R].

Three seeds show little of how seeds vary. As in a random-effects meta-analysis, the variance between
seeds is what their deviations show beyond the variance within seeds, which the replicates have
already, and it is drawn from Student's t with S - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from privbench.core.seeds import derive_seed


def seed_average(draws: torch.Tensor) -> torch.Tensor:
    """Average the draws [S, 1 + R] of S seeds to parts [1 + L + R]."""
    count = len(draws)
    if count == 1:
        return draws[0]
    values = draws[:, 0]
    without = (values.sum() - values) / (count - 1)
    return torch.cat([values.mean(dim=0, keepdim=True), without, draws[:, 1:].nanmean(dim=0)])


def widened(
    parts: torch.Tensor,
    stream: str,
    seeds: Sequence[int],
    share: float | None = None,
    *,
    normal: bool = False,
) -> torch.Tensor:
    """Draws [1 + R] of ``parts`` over ``seeds``: each replicate moves along the seeds' deviations.

    How far a replicate moves along each seed depends on ``stream`` and ``seeds`` only, so that all
    attacks on all defenses are compared under the same choice of seeds.

    Args:
        parts: float64 [1 + L + R].
        stream: the name of the game whose figures they are.
        seeds: the S seeds that were averaged.
        share: of the seeds' standard deviation, that is due to seeds; by default ``seed_share``.
        normal: draw from a normal distribution, as if the variance between seeds were known.
    """
    count = len(seeds)
    if count == 1:
        return parts
    replicates = parts[1 + count :]
    share = seed_share(parts, count) if share is None else share
    moves = _moves(stream, seeds, len(replicates), normal=normal) @ _deviations(parts, count)
    return torch.cat([parts[:1], replicates + share / math.sqrt(count * (count - 1)) * moves])


def seed_share(parts: torch.Tensor, count: int) -> float:
    """The share of the standard deviation over ``count`` seeds that samples do not explain, in [0, 1].

    The seeds' own values vary between and within seeds; the variance within is known from the
    replicates and taken off, so that it counts once.
    """
    if count == 1:
        return 0.0
    replicates = parts[1 + count :]
    finite = replicates[torch.isfinite(replicates)]
    within = float(finite.var(unbiased=False)) if len(finite) else 0.0
    total = float(_deviations(parts, count).square().sum()) / (count * (count - 1))
    return math.sqrt(max(0.0, 1 - within / total)) if total > 0 else 0.0


def _deviations(parts: torch.Tensor, count: int) -> torch.Tensor:
    """By how much each seed's value differs from the mean, [S]; of any statistic by the jackknife."""
    return (count - 1) * (parts[0] - parts[1 : 1 + count])


def _moves(stream: str, seeds: Sequence[int], replicates: int, *, normal: bool) -> torch.Tensor:
    generator = torch.Generator().manual_seed(derive_seed(0, "report", "seeds", str(stream), *seeds))
    moves = torch.randn(replicates, len(seeds), generator=generator, dtype=torch.float64)
    if normal:
        return moves
    freedom = len(seeds) - 1
    squares = torch.randn(replicates, freedom, generator=generator, dtype=torch.float64).square()
    return moves / squares.mean(dim=1, keepdim=True).sqrt()
