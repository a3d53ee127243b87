"""ShuffleNet V2 (Ma et al.): torchvision's, or four narrow blocks behind a stem of stride 1."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import Field

from privbench.core.model import Model
from privbench.core.registry import register


@register("shufflenet")
class ShuffleNet(Model):
    """Split, depthwise convolution and channel shuffle."""

    source = "Ma et al., ShuffleNet V2: practical guidelines for efficient CNN design, ECCV 2018"

    size: Literal["small", "paper"] = Field("small", description="paper: torchvision's shufflenet_v2_x1_0")
    norm: Literal["batch", "group"] = Field("batch", description="group: for per-sample gradients")

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module for images of ``shape`` (C, H, W), float32 in [0, 1].

        Raises:
            DataError: a side is below 16 pixels.
        """
        from torchvision.models import shufflenetv2

        from privbench.models import _adapt

        _adapt.require_side(self, shape, self.min_side)
        if self.size == "paper":
            module = shufflenetv2.shufflenet_v2_x1_0(weights=None, num_classes=outputs)
            module.conv1[0] = _adapt.with_input(module.conv1[0], shape[0])
        else:
            module = shufflenetv2.ShuffleNetV2([1, 2, 1], [16, 32, 64, 128, 128], num_classes=outputs)
            module.conv1[0] = _adapt.with_input(module.conv1[0], shape[0], stride=1)
            module.maxpool = torch.nn.Identity()
        return _adapt.finish(module, self.norm)

    def feature_layers(self) -> tuple[str, ...]:
        """The stem, each stage, the last convolution."""
        return "conv1", "stage2", "stage3", "stage4", "conv5"
