"""VFE, the visual feature entropy of the VIM authors: how much the pixels of an image vary locally.

VFE is not a measure of privacy: a keyless, exactly invertible checkerboard inversion scores
higher than a full shuffle. It guides VIM's adaptive windows and orders releases of one kind.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from privbench.core.errors import UserError
from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._checks import in_cache

Mode = Literal["mean", "reference"]
REFERENCE_SIZE = 14


def gradient_energy(images: torch.Tensor) -> torch.Tensor:
    """Squared forward differences of each pixel, along rows plus along columns.

    Args:
        images: [N, C, H, W].

    Returns:
        [N, C, H, W] in [0, 2] for images in [0, 1]; pixels of the last column (row) have no
        forward neighbour there and count nothing for it.
    """
    pad = torch.nn.functional.pad
    along_x = pad(images.diff(dim=3).square(), (0, 1))
    along_y = pad(images.diff(dim=2).square(), (0, 0, 0, 1))
    return along_x + along_y


def vfe(images: torch.Tensor, mode: Mode = "mean", size: int = REFERENCE_SIZE) -> torch.Tensor:
    """VFE of each image.

    Args:
        images: [N, C, H, W] in [0, 1].
        mode: ``mean``: the published formula with F = 1, gradient energy summed over channels and
            averaged over pixels, no padding. ``reference``: as the released code computes it, for
            each channel and whole ``size`` × ``size`` window, zero-padded on the right and the
            bottom, the sum of squared differences; averaged over windows and channels. The
            padding adds an offset that no shuffle within windows changes on average.
        size: side of the windows in pixels, for ``reference`` only.

    Returns:
        float64 [N], at least 0; at most 2·C (``mean``) or 2·size² (``reference``).

    Raises:
        UserError: ``reference`` windows do not fit in the images.
    """
    height, width = images.shape[2:]
    if mode == "mean":
        parts = [_energy(images[part]) for part in in_cache(len(images), images[:1].numel())]
        energy = torch.cat(parts) if parts else images.new_zeros(0, dtype=torch.float64)
        return energy / (height * width)
    if size > min(height, width):
        raise UserError(
            f"reference VFE takes windows of {size} px; the images have {height}x{width}. Use vfe[mode=mean]."
        )
    rows, columns = height // size, width // size
    windows = images[..., : rows * size, : columns * size].reshape(
        *images.shape[:2], rows, size, columns, size
    )
    windows = torch.nn.functional.pad(windows.transpose(3, 4), (0, 1, 0, 1))
    total = windows[..., :-1, :].diff(dim=-1).square().sum(dim=(1, 2, 3, 4, 5), dtype=torch.float64)
    total += windows[..., :, :-1].diff(dim=-2).square().sum(dim=(1, 2, 3, 4, 5), dtype=torch.float64)
    return total / (rows * columns * images.shape[1])


def _energy(images: torch.Tensor) -> torch.Tensor:
    """The sum of ``gradient_energy`` of each image, float64 [N]."""
    along_x, along_y = images.diff(dim=3).square_(), images.diff(dim=2).square_()
    return along_x.sum(dim=(1, 2, 3), dtype=torch.float64) + along_y.sum(dim=(1, 2, 3), dtype=torch.float64)


def vfe_db(images: torch.Tensor, mode: Mode = "mean") -> torch.Tensor:
    """10·log10 of the VFE of each image in decibels, float64 [N]; -100 for a constant image."""
    return 10 * vfe(images, mode).clamp_min(1e-10).log10()


@register("vfe")
class Vfe(MeanMetric):
    """VFE of released images; orders releases of one kind and says nothing of privacy."""

    subject = "release"
    higher_is = "private"
    bounds = (0.0, 2.0 * REFERENCE_SIZE**2)
    source = (
        "Li, Zhang, Ren, Li, Zhang, You Can Use But Cannot Recognize: Preserving Visual Privacy in Deep "
        "Neural Networks, NDSS 2024, VFE_R and VFE(I)"
    )

    mode: Mode = Field("mean", description="mean: F = 1, no padding; reference: as the released code has it")

    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """VFE of each released image, [N]."""
        return vfe(guess.to(context.device), self.mode)
