"""Leakage: a score between what a blind adversary gets and what a full release gives away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch

from privbench.core.controls import BREAK, is_floor
from privbench.rating.cells import Cells, Pairing
from privbench.rating.metric_lookup import find_metric
from privbench.stats.between_seeds import seed_share, widened

ZERO = 1e-9
"""Differences of equal scores may leave rounding errors."""

K = TypeVar("K", bound=str | tuple[str, ...])


def leakage(score: torch.Tensor, floor: torch.Tensor, ceiling: torch.Tensor) -> torch.Tensor:
    """``clip((score - floor) / (ceiling - floor), 0, 1)``, elementwise.

    Where the ceiling is not above the floor the limit is taken: 1 above the floor, else 0.
    """
    gain, room = score - floor, ceiling - floor
    ratio = torch.where(room > 0, gain / torch.where(room > 0, room, 1.0), (gain > 0).to(gain.dtype))
    return torch.where(torch.isfinite(score + floor + ceiling), ratio.clamp(0, 1), torch.nan)


def leakage_draws(
    score: torch.Tensor, floor: torch.Tensor, ceiling: torch.Tensor, game: str, seeds: Sequence[int]
) -> torch.Tensor:
    """Draws [1 + R] of the leakage, from the parts [1 + L + R] of score, floor and ceiling.

    All three move along the seeds by one share, that of the leakage's linear approximation at the
    estimate: what the seeds do to all of them alike cancels.
    """
    gain, room = score - floor, ceiling - floor
    slope = gain[0] / room[0] if room[0] > 0 else 0.0
    share = seed_share(gain - slope * room, len(seeds))
    return leakage(*(widened(parts, game, seeds, share) for parts in (score, floor, ceiling)))


def blinds(cells: Cells, game: str, defense: str) -> list[str]:
    """The prior-only attacks tried on ``defense``: ``blind`` in any configuration."""
    return [a for a in cells.attacks(game, defense) if is_floor(a)]


def oriented(cells: Cells, pairing: Pairing, metric: str, seeds: Sequence[int]) -> torch.Tensor:
    """Parts [1 + L + R] of the capped metric, negated where lower values leak more."""
    found = find_metric(metric)
    draws = cells.average(pairing, metric, seeds, capped=True)
    return -draws if found is not None and found.higher_is == "private" else draws


def best(
    cells: Cells, game: str, defense: str, attacks: Sequence[str], metric: str, seeds: Sequence[int]
) -> torch.Tensor:
    """The maximum over ``attacks`` inside each replicate, as parts [1 + L + R]."""
    draws = [oriented(cells, Pairing(game, defense, attack), metric, seeds) for attack in attacks]
    return torch.stack(draws).amax(dim=0)


def floor_and_ceiling(
    cells: Cells, game: str, defense: str, metric: str, certified: Sequence[str], seeds: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Floor (the best blind attack on ``defense``) and ceiling (the best certified one on ``none``)."""
    floor = best(cells, game, defense, blinds(cells, game, defense), metric, seeds)
    return floor, best(cells, game, BREAK, certified, metric, seeds)


def greatest(values: Mapping[K, float]) -> K:
    """The key of the largest value; of equal ones the first by name."""
    return min(values, key=lambda key: (-round(values[key], 9), key))


def shared_seeds(cells: Cells, metric: str, needed: Sequence[Pairing]) -> list[int]:
    """The seeds for which all ``needed`` have a value of ``metric``."""
    seeds = [cells.scored(pairing, metric) for pairing in needed]
    return sorted(set.intersection(*seeds)) if seeds else []
