"""Gaussian blur."""

from __future__ import annotations

import torch
from pydantic import Field

from privbench.core.defense import ImageDefense
from privbench.core.keys import Keys
from privbench.core.registry import register


def blur_matrix(side: int, sigma: float) -> torch.Tensor:
    """The blur of one axis as a float64 [side, side] matrix, borders reflected about the edge pixel.

    Taps reach ``int(4 * sigma + 0.5)`` pixels. Reflection is periodic, so that a kernel wider than
    the image is folded back as often as needed.
    """
    radius = int(4 * sigma + 0.5)
    offsets = torch.arange(-radius, radius + 1)
    taps = torch.exp(-0.5 * (offsets.double() / sigma) ** 2)
    period = max(2 * (side - 1), 1)
    position = (torch.arange(side)[:, None] + offsets) % period
    source = torch.minimum(position, period - position) if side > 1 else position * 0
    matrix = torch.zeros(side, side, dtype=torch.float64)
    return matrix.scatter_add_(1, source, (taps / taps.sum()).expand(side, -1).contiguous())


@register("blur")
class Blur(ImageDefense):
    """Gaussian blur with reflected borders; keyless and linear, so largely invertible."""

    source = "Gaussian filter; McPherson, Shokri, Shmatikov, Defeating Image Obfuscation, 2016, breaks it"

    sigma: float = Field(2.0, gt=0, le=1000, description="standard deviation of the blur in pixels")

    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """Blurred images."""
        # In float64, so that the rounding of a matrix product does not depend on the batch.
        rows, columns = (blur_matrix(side, self.sigma).to(images.device) for side in images.shape[2:])
        return (rows @ images.double() @ columns.T).float().clamp(0, 1)
