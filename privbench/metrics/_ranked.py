"""Members and non-members in the order of falling scores, counted under every row of weights at once."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch

from privbench.core.metric import Columns

_EXACT = 2**24
"""Whole numbers below this are exact in float32, whose sums take half the time."""
_BLOCK = 2**17
"""Weights of a block, of which four sums are held."""


class Ranked:
    """Weights [B, N] of candidates in the order of falling scores, summed from the highest score on.

    A threshold takes a whole group of equal scores or none of it, so that there is a step at the end of
    each of G groups.

    Attributes:
        order: int64 [N], the candidates' places in the columns.
        members, others: weights of members and of non-members, [B, N], 0 for the other side.
        hits, alarms: the sums of these from the first place on.
        whole: whether all weights are whole numbers, so that sums and their products are exact.
    """

    def __init__(self, order: _Order, weights: torch.Tensor, whole: bool) -> None:
        self.order, self.whole, self._ends = order.places, whole, order.ends
        ordered = weights.index_select(1, order.places)
        self.members = ordered * order.member.to(weights.dtype)
        self.others = ordered.sub_(self.members)
        self.hits, self.alarms = self.members.cumsum(dim=1), self.others.cumsum(dim=1)

    def steps(self, summed: torch.Tensor) -> torch.Tensor:
        """``summed`` [B, N] at the ends of groups: [B, G]."""
        return summed if self._ends is None else summed.index_select(1, self._ends)

    @cached_property
    def exact_products(self) -> bool:
        """Whether products of two sums are exact in the type of the sums."""
        most = float(self.hits[:, -1].max()) * float(self.alarms[:, -1].max())
        return self.hits.dtype == torch.float64 or most < _EXACT / 2


class _Order(NamedTuple):
    """Places of falling scores, who is a member there, and where groups end (None: everywhere)."""

    places: torch.Tensor
    member: torch.Tensor
    ends: torch.Tensor | None


class _Last:
    """What was asked for last: metrics of one result ask for the same."""

    columns: tuple[torch.Tensor, torch.Tensor] | None = None
    weights: torch.Tensor | None = None
    found: list[Ranked] | None = None
    heavy: torch.Tensor | None = None
    light: tuple[torch.Tensor, bool] | None = None


def ranked(columns: Columns, weights: torch.Tensor) -> list[Ranked]:
    """The candidates of ``columns`` (``score`` and ``member``, [N]) under ``weights`` [R, N].

    Blocks of rows that fit a processor's cache, in order.
    """
    asked = columns["score"], columns["member"]
    if _Last.found is None or _Last.weights is not weights or not _same(_Last.columns, asked):
        _Last.found = None
        order = _ordered(columns)
        light, whole = _light(weights)
        rows = max(1, _BLOCK // weights.shape[1])
        _Last.found = [
            Ranked(order, light[start : start + rows], whole) for start in range(0, len(light), rows)
        ]
        _Last.columns, _Last.weights = asked, weights
    return _Last.found


def _ordered(columns: Columns) -> _Order:
    score, places = columns["score"].sort(descending=True, stable=True)
    last = torch.ones(len(score), dtype=torch.bool)
    last[:-1] = score[1:] != score[:-1]
    return _Order(places, columns["member"][places], None if last.all() else last.nonzero()[:, 0])


def _same(a: tuple[torch.Tensor, ...] | None, b: tuple[torch.Tensor, ...]) -> bool:
    return a is not None and all(x is y or torch.equal(x, y) for x, y in zip(a, b, strict=True))


def _light(weights: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """The weights as float32 where nothing is lost by that, and whether they are whole numbers."""
    if _Last.heavy is not weights or _Last.light is None:
        light = weights.float()
        whole = bool((light == light.round()).all()) and bool((light == weights).all())
        exact = whole and float(weights.sum(dim=1).max()) < _EXACT / 4
        _Last.heavy, _Last.light = weights, (light if exact else weights, whole)
    return _Last.light
