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


def matched(
    stages: list[tuple[Update, int]],
    sent: torch.Tensor,
    labels: torch.Tensor,
    start: torch.Tensor,
    *,
    lr: float,
    weight: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Lower 1 - cosine(update(images), sent) + weight x total variation, for each image by itself.

    Args:
        stages: pairs of a way to make updates and the steps for which it is used, in turns.
        sent: [N, P]; its length does not matter.
        labels: [N].
        start: float32 [N, C, H, W] in [0, 1], from which the images set out.
        lr: Adam's at the first step; it falls to zero by a cosine.
        weight: of the total variation.

    Returns:
        The images of the last stage with the least loss, float32 [N, C, H, W] in [0, 1]; the mean loss
        at each step, float32 [steps], on the CPU.

    Raises:
        PrivbenchError: updates do not depend on the images in a way that has a gradient.
    """
    length = torch.linalg.vector_norm(sent, dim=1, keepdim=True, dtype=torch.float64)
    target = (sent / length.clamp_min(math.sqrt(_TINY) * _TINY)).float()
    images = start.clone().requires_grad_()
    optimizer = torch.optim.Adam([images], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, sum(steps for _, steps in stages))
    curve = []
    for update, steps in stages:
        least = torch.full((len(sent),), math.inf, device=sent.device)
        best = images.detach().clone()
        for _ in range(steps):
            made = update(images, labels)
            if not made.requires_grad:
                raise PrivbenchError(
                    "the clients' updates have no gradient with respect to their images: let client_update "
                    "compute with torch operations alone, without detach() or no_grad()."
                )
            cosine: torch.Tensor = _Cosine.apply(made, target)
            loss = 1 - cosine + weight * total_variation(images)
            (images.grad,) = torch.autograd.grad(loss.sum(), [images])
            with torch.no_grad():
                better = loss < least
                least = torch.where(better, loss, least)
                best = torch.where(better[:, None, None, None], images, best)
                curve.append(loss.mean())
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                images.clamp_(0, 1)
    return best.detach(), torch.stack(curve).cpu()


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
