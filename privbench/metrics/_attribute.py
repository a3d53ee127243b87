"""The columns of attribute metrics."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from privbench.core.errors import PrivbenchError
from privbench.core.game import Truth
from privbench.core.metric import Columns
from privbench.metrics._checks import finite
from privbench.metrics._mcc import constant


def attribute_columns(truth: Truth, guess: torch.Tensor) -> Columns:
    """``truth_t`` and ``guess_t``, int64 [N], for each of the T hidden attributes.

    Raises:
        PrivbenchError: the truth belongs to another game, the guess has another shape than the
            truth, there are no samples, or a value is negative or no whole number.
    """
    if truth.attributes is None:
        raise PrivbenchError("this metric needs the hidden attributes, which the truth does not hold")
    if guess.shape != truth.attributes.shape or guess.ndim != 2 or guess.numel() == 0:
        raise PrivbenchError(
            f"the guess has shape {tuple(guess.shape)}; expected {tuple(truth.attributes.shape)}, not empty"
        )
    columns = {}
    for name, values in (("truth", truth.attributes), ("guess", guess)):
        whole = finite(values, f"the attributes' {name}").cpu().long()
        if (whole != values.cpu()).any() or (whole < 0).any():
            raise PrivbenchError(f"the attributes' {name} must be whole numbers from 0")
        columns.update({f"{name}_{t}": whole[:, t].contiguous() for t in range(whole.shape[1])})
    return columns


def target_pairs(columns: Columns) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """The pairs (truth, guess), one for each attribute."""
    return [(columns[f"truth_{t}"], columns[f"guess_{t}"]) for t in range(len(columns) // 2)]


def all_constant(columns: Columns) -> str | None:
    """Why no coefficient is defined, or None where one is."""
    pairs = target_pairs(columns)
    if len(constant(pairs)) < len(pairs):
        return None
    return "no attribute varies among these samples, and a coefficient is defined of what varies only"


def left_out(columns: Columns, names: Sequence[str] = ()) -> str:
    """Which attributes are the same for all samples and have no coefficient; empty where all have one."""
    pairs = target_pairs(columns)
    absent = [names[t] if len(names) == len(pairs) else f"number {t + 1}" for t in constant(pairs)]
    if not absent:
        return ""
    count = len(pairs[0][0])
    return f"without {', '.join(absent)} (of {len(pairs)} attributes): the same for all {count} samples"
