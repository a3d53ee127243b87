"""The ROC curve of a membership score, under every row of weights at once."""

from __future__ import annotations

import torch

from privbench.core.metric import Columns
from privbench.metrics._ranked import ranked


def roc(columns: Columns, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """True and false positive rates, float64 [R, G + 1], from (0, 0) to (1, 1).

    Rows whose weights leave no member or no non-member are NaN.
    """
    blocks = ranked(columns, weights)
    rates = []
    for parts in ([b.steps(b.hits) for b in blocks], [b.steps(b.alarms) for b in blocks]):
        steps = torch.nn.functional.pad(torch.cat(parts).double(), (1, 0))
        rates.append(steps / steps[:, -1:])
    return rates[0], rates[1]
