"""Released images."""

from __future__ import annotations

import torch

from privbench.core.deployment import Deployment
from privbench.core.images import LabelledImages
from privbench.core.protection import protected
from privbench.core.registry import register
from privbench.core.surface import Surface


@register("images")
class Images(Surface):
    """The protected private images themselves, float32 [N, C, H, W] in [0, 1]."""

    source = "Released in place of the originals, as VIM, InstaHide and pixelation do"
    asks = ("protect",)
    base = "ImageDefense"

    def release(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """Protected images, each under the key of its position in ``data``."""
        released = protected(deployment.defense, data.images, deployment.keys_seed)
        return released[index.to(released.device)]
