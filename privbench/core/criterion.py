"""A loss module made of one function, for tasks of any kind."""

from __future__ import annotations

from collections.abc import Callable

import torch

from privbench.core.errors import PrivbenchError

PerSample = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class PerSampleLoss(torch.nn.Module):
    """Reduces the losses of the samples as ``reduction`` says: ``mean``, ``sum`` or ``none``.

    Args:
        losses: (outputs [N, ...], labels [N, ...]) -> one loss for each sample, [N].
        reduction: how they become the result; may be set later.
    """

    def __init__(self, losses: PerSample, reduction: str = "mean") -> None:
        super().__init__()
        self.losses = losses
        self.reduction = reduction

    def forward(self, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean or the sum of the losses, a scalar, or the losses themselves, [N].

        Raises:
            PrivbenchError: ``reduction`` is none of the three, or ``losses`` gives another shape.
        """
        losses = self.losses(outputs, labels)
        if losses.shape != outputs.shape[:1]:
            raise PrivbenchError(
                f"a task's losses have shape {tuple(losses.shape)} for {len(outputs)} samples; "
                f"expected ({len(outputs)},), one for each"
            )
        if self.reduction == "none":
            return losses
        if self.reduction == "mean":
            return losses.mean()
        if self.reduction == "sum":
            return losses.sum()
        raise PrivbenchError(f"reduction={self.reduction!r} is not valid: choose 'mean', 'sum' or 'none'")
