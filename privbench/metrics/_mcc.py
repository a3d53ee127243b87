"""Matthews' correlation coefficient for any number of classes, under rows of weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def matthews(truth: torch.Tensor, guess: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The multiclass coefficient of each row of ``weights``.

    It is 0 for a constant guess, which knows nothing, and NaN where the truth is constant: nothing could
    be known.

    Only the diagonal sum and the margins of the weighted confusion matrix enter, so the matrix
    itself is never formed.

    Args:
        truth: [N], classes from 0, in any dtype (stored columns are floating-point).
        guess: [N], likewise.
        weights: float64 [R, N], not negative.

    Returns:
        float64 [R] in [-1, 1], or NaN.

    Source: Gorodkin, Comparing two K-category assignments, 2004, eq. 8.
    """
    truth, guess = truth.long(), guess.long()
    classes = int(torch.stack([truth.max(), guess.max()]).max()) + 1
    one_hot = torch.nn.functional.one_hot
    true_margin = weights @ one_hot(truth, classes).double()
    guess_margin = weights @ one_hot(guess, classes).double()
    total = weights.sum(dim=1)
    correct = weights @ (truth == guess).double()
    covariance = correct * total - (true_margin * guess_margin).sum(dim=1)
    spread = [total**2 - (margin**2).sum(dim=1) for margin in (true_margin, guess_margin)]
    # With fractional weights a constant guess leaves rounding error where the spread is 0.
    defined = torch.minimum(*spread) > 1e-12 * total**2
    denominator = torch.sqrt(torch.where(defined, spread[0] * spread[1], torch.ones_like(total)))
    found = torch.where(defined, (covariance / denominator).clamp(-1, 1), torch.zeros_like(total))
    return torch.where(spread[0] > 1e-12 * total**2, found, torch.nan)


def mean_matthews(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]], weights: torch.Tensor) -> torch.Tensor:
    """The mean coefficient of ``pairs`` (truth, guess) whose truth is not constant, float64 [R]; else NaN."""
    return torch.stack([matthews(truth, guess, weights) for truth, guess in pairs]).nanmean(dim=0)


def constant(pairs: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> list[int]:
    """Which of ``pairs`` (truth, guess) have a truth that is the same for all samples."""
    return [t for t, (truth, _) in enumerate(pairs) if bool((truth == truth[:1]).all())]
