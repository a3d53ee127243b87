"""Peak signal-to-noise ratio of reconstructed and original images."""

from __future__ import annotations

import torch

from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._checks import compare, finite, in_cache, require_one_shape

CAP = 100.0


def psnr(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Decibels of each pair of images for a peak of 1, at most 100 (equal images).

    Args:
        a: [N, C, H, W] in [0, 1].
        b: the same shape, on the same device.

    Returns:
        float64 [N] in [0, 100], on the device of ``a``.

    Raises:
        PrivbenchError: the shapes differ, or values are NaN or infinite.
    """
    require_one_shape(a, b)
    size = a[:1].numel()
    parts = [
        (a[part] - b[part]).square_().sum(dim=(1, 2, 3), dtype=torch.float64)
        for part in in_cache(len(a), size)
    ]
    error = torch.cat(parts) / size if parts else a.new_zeros(0, dtype=torch.float64)
    # What is not finite is so in the sum; looking at every pixel first would take longer than the sum.
    finite(error, "images")
    return -10 * torch.log10(error.clamp(min=10 ** (-CAP / 10)))


@register("psnr")
class Psnr(MeanMetric):
    """PSNR of guesses against the originals, the mean of decibels per image (not of errors)."""

    source = "Mean over images of 10 log10(1 / MSE), capped at 100 dB"
    subject = "reconstruction"
    rates = True
    leak_cap = 30.0
    unit = "dB"
    bounds = (0.0, CAP)

    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """Decibels of each guess, float64 [N]."""
        return compare(psnr, truth, guess, context.device)
