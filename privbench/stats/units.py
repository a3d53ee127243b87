"""How many independent units a figure rests on: its samples, or the people behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

LEAST_PEOPLE = 5
"""Of fewer people there is no interval, and no verdict: too few to see how people vary."""


@dataclass(frozen=True)
class Units:
    """What a figure rests on.

    Attributes:
        samples: how many samples there are, on the smaller side where there are several.
        people: the effective number of people behind them (Kish), likewise; None where each sample
            stands for itself.
    """

    samples: int
    people: float | None = None

    @property
    def count(self) -> float:
        """The number of independent units."""
        return self.samples if self.people is None else self.people

    @property
    def too_few(self) -> str | None:
        """Why no interval can be given, or None where one can."""
        if self.people is None or round(self.people, 9) >= LEAST_PEOPLE:
            return None
        shown = f"{self.people:.1f}".removesuffix(".0")
        return (
            f"the samples show {shown} people (counted by their shares), and an interval needs at least "
            f"{LEAST_PEOPLE}: what one person's images say is not said of people"
        )


def effective_number(clusters: torch.Tensor) -> float:
    """``(sum n)^2 / sum n^2`` over the sizes n of clusters, int64 [N]: their number where all are equal.

    Source: Kish, Survey Sampling, 1965.
    """
    sizes = torch.unique(clusters, return_counts=True)[1].double()
    return float(sizes.sum() ** 2 / sizes.square().sum()) if len(sizes) else 0.0


def units_of(count: int, clusters: torch.Tensor | None, sides: Sequence[torch.Tensor] = ()) -> Units:
    """The units behind ``count`` samples.

    Args:
        count: how many samples there are.
        clusters: int64 [N], the person behind each sample; None: samples stand for themselves.
        sides: bool [N] each: parts of the samples, the smallest of which limits what is known.
    """
    masks = list(sides) or [torch.ones(count, dtype=torch.bool)]
    samples = min(int(mask.sum()) for mask in masks)
    if clusters is None:
        return Units(samples)
    return Units(samples, min(effective_number(clusters[mask]) for mask in masks))
