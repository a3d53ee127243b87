"""Predictions of a trained classifier."""

from __future__ import annotations

import torch
from torch import nn


def log_probs(module: nn.Module, images: torch.Tensor, batch_size: int = 1024) -> torch.Tensor:
    """Class log-probabilities of ``images``.

    Args:
        module: a classifier that returns logits, on the images' device. It is run in evaluation
            mode and left in the mode that it was in.
        images: float [N, C, H, W]; N may be 0.
        batch_size: how many images run at once; changes the result by rounding alone.

    Returns:
        float32 [N, K] on the images' device (float64 for float64 images). Full precision is used
        on every device, since membership attacks read the far tails.
    """
    was_training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            parts = [torch.log_softmax(module(batch), dim=1) for batch in torch.split(images, batch_size)]
            result = torch.cat(parts)
    finally:
        module.train(was_training)
    # A copy made outside inference mode can take part in a later computation with gradients.
    return result.clone()
