"""The ROC curve of a membership score, under every row of weights at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from privbench.core.metric import Columns

_CACHED = 2**17
"""Numbers of 8 bytes, of which a block and what is computed from it hold several times as many."""


def weight_blocks(weights: torch.Tensor) -> Iterator[torch.Tensor]:
    """The rows of ``weights`` [R, N] in blocks that fit a processor's cache, which binds sums over them."""
    rows = max(1, _CACHED // weights.shape[1])
    return (weights[start : start + rows] for start in range(0, len(weights), rows))


def roc_steps(columns: Columns) -> tuple[torch.Tensor, torch.Tensor]:
    """The order of falling scores, and the positions (ascending) at which a tie group ends.

    A threshold takes a whole group or none of it, so the curve has a step at group ends only.
    """
    score, order = columns["score"].sort(descending=True, stable=True)
    last = torch.ones(len(score), dtype=torch.bool)
    last[:-1] = score[1:] != score[:-1]
    return order, last.nonzero()[:, 0]


def roc(columns: Columns, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """True and false positive rates, float64 [R, G + 1], from (0, 0) to (1, 1).

    Rows whose weights leave no member or no non-member are NaN.
    """
    order, ends = roc_steps(columns)
    member = columns["member"][order]
    weights = weights.index_select(1, order)
    rates = []
    for side in (member, 1 - member):
        total = (weights * side).cumsum(dim=1)
        steps = torch.nn.functional.pad(total.index_select(1, ends), (1, 0))
        rates.append(steps / total[:, -1:])
    return rates[0], rates[1]
