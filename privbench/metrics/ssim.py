"""Structural similarity of reconstructed and original images."""

from __future__ import annotations

import torch

from privbench.core.errors import DataError
from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._checks import compare, image_pair

WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2


def _band(side: int, device: torch.device) -> torch.Tensor:
    # A filter along one axis as a matrix [side - 10, side]: several times faster than a
    # convolution in float64, and windows that leave the image never arise.
    offset = torch.arange(side, device=device) - torch.arange(side - WINDOW + 1, device=device)[:, None]
    distance = (offset - WINDOW // 2).double()
    weight = torch.exp(-(distance**2) / (2 * _SIGMA**2)) * (distance.abs() <= WINDOW // 2)
    return weight / weight.sum(dim=1, keepdim=True)


def ssim(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Mean structural similarity of each pair of images, over pixels and channels.

    Gaussian window of 11 pixels (sigma 1.5), population covariance, data range 1, windows inside
    the image only: what scikit-image computes with ``gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1``. Computed in float64, since variances cancel.

    Args:
        a: [N, C, H, W] in [0, 1].
        b: the same shape, on the same device.

    Returns:
        float64 [N] in [-1, 1], on the device of ``a``; 1 for equal images.

    Raises:
        DataError: a side is under 11 pixels.
        PrivbenchError: the shapes differ, or values are NaN or infinite.

    Source: Wang, Bovik, Sheikh, Simoncelli, Image quality assessment, IEEE TIP 2004, eq. 13.
    """
    a, b = (images.double() for images in image_pair(a, b))
    height, width = a.shape[2:]
    if min(height, width) < WINDOW:
        raise DataError(
            f"SSIM needs images of at least {WINDOW}x{WINDOW} pixels; these have {height}x{width}. "
            "Use larger images, or psnr."
        )
    rows, columns = _band(height, a.device), _band(width, a.device).T
    mean_a, mean_b, square_a, square_b, product = (
        rows @ images @ columns for images in (a, b, a * a, b * b, a * b)
    )
    variances = square_a - mean_a**2 + square_b - mean_b**2
    covariance = product - mean_a * mean_b
    luminance = (2 * mean_a * mean_b + _C1) / (mean_a**2 + mean_b**2 + _C1)
    structure = (2 * covariance + _C2) / (variances + _C2)
    return (luminance * structure).mean(dim=(1, 2, 3))


@register("ssim")
class Ssim(MeanMetric):
    """Structural similarity of guesses to the originals: 1 is a perfect reconstruction."""

    source = "Wang, Bovik, Sheikh, Simoncelli, Image quality assessment, IEEE TIP 2004, eq. 13"
    subject = "reconstruction"
    rates = True
    headline = True
    bounds = (-1.0, 1.0)

    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """SSIM of each guess, float64 [N]."""
        return compare(ssim, truth, guess, context.device)
