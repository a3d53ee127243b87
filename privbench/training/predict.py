"""What a trained model answers."""

from __future__ import annotations

import torch
from torch import nn

from privbench.core.task import Task


def answers(module: nn.Module, images: torch.Tensor, task: Task, batch_size: int = 1024) -> torch.Tensor:
    """What a prediction service with ``module`` answers for ``images``.

    Args:
        module: a model that was taught ``task``, on the images' device. It is run in evaluation
            mode and left in the mode that it was in.
        images: float [N, C, H, W]; N may be 0.
        task: turns the module's outputs into answers.
        batch_size: how many images run at once; changes the result by rounding alone.

    Returns:
        [N, ...] on the images' device, for classes log-probabilities [N, K]; float32 (float64 for
        float64 images). Full precision is used on every device, since membership attacks read the
        far tails.
    """
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            result = torch.cat([task.answer(module(batch)) for batch in torch.split(images, batch_size)])
    finally:
        module.train(was_training)
    # A copy made outside inference mode can take part in a later computation with gradients.
    return result.clone()
