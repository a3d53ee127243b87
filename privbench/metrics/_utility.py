"""What utility metrics share."""

from __future__ import annotations

import torch

from privbench.core.errors import PrivbenchError
from privbench.core.game import Truth
from privbench.metrics._checks import originals


def labelled_logits(truth: Truth, guess: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels int64 [N] and logits or log-probabilities [N, K] on one device.

    Raises:
        PrivbenchError: the shapes do not fit, a label is no class of the model, or a logit is NaN
            or plus infinity (a log-probability may be minus infinity).
    """
    labels = originals(truth).labels.to(guess.device)
    if guess.ndim != 2 or len(guess) != len(labels) or guess.numel() == 0:
        raise PrivbenchError(
            f"logits of shape {tuple(guess.shape)} for {len(labels)} labels; expected [N, K]"
        )
    if guess.isnan().any() or guess.isposinf().any():
        raise PrivbenchError("logits hold NaN or plus infinity; no figure can be computed from them")
    if int(labels.min()) < 0 or int(labels.max()) >= guess.shape[1]:
        raise PrivbenchError(f"a label is outside the model's classes 0..{guess.shape[1] - 1}")
    return labels, guess
