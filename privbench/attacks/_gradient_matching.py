"""Images whose updates point the way of given ones: cosine similarity and total variation, by Adam."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import torch

from privbench.core.errors import PrivbenchError

Update: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
"""Images [N, C, H, W] and labels [N] to the updates [N, P] of clients that hold them."""

_TINY = 1e-20


class Matching:
    """Dummy images on their way to lower 1 - cosine(update(images), sent) + weight x total variation.

    Each image goes by itself.

    Attributes:
        images: float32 [N, C, H, W] in [0, 1], where they are now.
        best: those of the last run with the least loss, detached.
        curve: the mean loss at each step, float32 scalars.
    """

    def __init__(
        self,
        sent: torch.Tensor,
        labels: torch.Tensor,
        start: torch.Tensor,
        *,
        steps: int,
        lr: float,
        weight: float,
    ) -> None:
        """Take no step yet.

        Args:
            sent: [N, P]; its length does not matter.
            labels: [N].
            start: float32 [N, C, H, W] in [0, 1], from which the images set out.
            steps: of all runs together; Adam's rate falls from ``lr`` to zero by a cosine meanwhile.
            lr: Adam's at the first step.
            weight: of the total variation.
        """
        length = torch.linalg.vector_norm(sent, dim=1, keepdim=True, dtype=torch.float64)
        self._target = (sent / length.clamp_min(_TINY**2)).float()
        self._labels, self._weight = labels, weight
        self.images = start.clone().requires_grad_()
        self.best = start
        self.curve: list[torch.Tensor] = []
        self._optimizer = torch.optim.Adam([self.images], lr=lr)
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizer, max(1, steps))

    def run(self, update: Update, steps: int) -> None:
        """Take ``steps`` steps by the gradient of ``update``; ``best`` is of these alone, if there are any.

        Raises:
            PrivbenchError: updates do not depend on the images in a way that has a gradient.
        """
        least = torch.full((len(self.images),), math.inf, device=self.images.device)
        for _ in range(steps):
            made = update(self.images, self._labels)
            if not made.requires_grad:
                raise PrivbenchError(
                    "the clients' updates have no gradient with respect to their images: let client_update "
                    "compute with torch operations alone, without detach() or no_grad()."
                )
            cosine: torch.Tensor = _Cosine.apply(made, self._target)
            loss = 1 - cosine + self._weight * total_variation(self.images)
            (self.images.grad,) = torch.autograd.grad(loss.sum(), [self.images])
            with torch.no_grad():
                better = loss < least
                least = torch.where(better, loss, least)
                self.best = torch.where(better[:, None, None, None], self.images, self.best)
                self.curve.append(loss.mean())
            self._optimizer.step()
            self._schedule.step()
            with torch.no_grad():
                self.images.clamp_(0, 1)

    def agreement(self, one: Update, other: Update) -> float:
        """The mean cosine of two ways to make updates, where the images are now."""
        images = self.images.detach()
        with torch.no_grad():
            made = one(images, self._labels).double(), other(images, self._labels).double()
        return float(torch.nn.functional.cosine_similarity(*made, eps=_TINY**2).mean())


def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring pixels, down and across, of each image: [N]."""
    return images.diff(dim=3).abs().mean(dim=(1, 2, 3)) + images.diff(dim=2).abs().mean(dim=(1, 2, 3))


class _Cosine(torch.autograd.Function):
    """Cosine of each row of ``made`` with the row of length 1 in ``target``, in few passes over them.

    Updates are much larger than images, and reading them takes most of the time.
    """

    @staticmethod
    def forward(ctx: Any, made: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        length = torch.linalg.vector_norm(made, dim=1).clamp_min(_TINY)
        cosine: torch.Tensor = torch.bmm(made[:, None], target[:, :, None])[:, 0, 0] / length
        ctx.save_for_backward(made, target, length, cosine)
        return cosine

    @staticmethod
    def backward(ctx: Any, *slopes: torch.Tensor) -> tuple[torch.Tensor, None]:
        made, target, length, cosine = ctx.saved_tensors
        step = torch.addcmul(target, made, (-cosine / length)[:, None])
        return step.mul_((slopes[0] / length)[:, None]), None
