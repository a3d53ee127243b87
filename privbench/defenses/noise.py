"""Independent noise on every pixel."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import Field

from privbench.core.defense import ImageDefense
from privbench.core.keys import Keys
from privbench.core.registry import register


def gaussian(uniform: torch.Tensor) -> torch.Tensor:
    """Standard normal values for ``uniform`` in (0, 1)."""
    return math.sqrt(2) * torch.erfinv(2 * uniform - 1)


def laplace(uniform: torch.Tensor) -> torch.Tensor:
    """Laplace values of scale 1 for ``uniform`` in (0, 1)."""
    centred = uniform - 0.5
    return -centred.sign() * torch.log1p(-2 * centred.abs())


@register("noise")
class Noise(ImageDefense):
    """Adds independent Gaussian or Laplace noise to every pixel, then clips to [0, 1].

    Laplace noise of scale b makes the release of one image ε-differentially private with
    ε = ‖Δ‖₁ / b, where ‖Δ‖₁ is the greatest difference of two images: all C·H·W values, as images
    are unrestricted. That is huge for every scale that leaves an image usable (28×28 grey images at
    b = 0.3: ε = 2613), and so no guarantee worth the name; ``image_epsilon`` gives the figure.
    """

    source = "Dwork, McSherry, Nissim, Smith, Calibrating Noise to Sensitivity, TCC 2006, prop. 1 (Laplace)"

    distribution: Literal["gaussian", "laplace"] = Field("gaussian", description="of each pixel's noise")
    scale: float = Field(0.3, gt=0, le=1000, description="standard deviation, or b of the Laplace density")

    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """Noisy images."""
        # Midpoints of the 2^24 cells, so that neither end of (0, 1) is ever reached.
        uniform = keys.uniform(*images.shape[1:]).double() + 2.0**-25
        noise = gaussian(uniform) if self.distribution == "gaussian" else laplace(uniform)
        return (images + self.scale * noise).float().clamp(0, 1)

    def image_epsilon(self, shape: tuple[int, int, int]) -> float:
        """ε of releasing one image of ``shape`` (C, H, W) under pure local differential privacy.

        Infinite for Gaussian noise, which gives no pure guarantee.
        """
        return math.prod(shape) / self.scale if self.distribution == "laplace" else math.inf
