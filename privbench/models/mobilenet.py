"""MobileNet V2 and V3: torchvision's, or six narrow blocks for 28 to 32 pixels."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal

import torch
from pydantic import Field

from privbench.core.model import Model
from privbench.core.registry import register


@register("mobilenet")
class MobileNet(Model):
    """Inverted residuals with depthwise convolutions; V3 adds squeeze-and-excitation, hard swish."""

    source = "Sandler et al., MobileNetV2, CVPR 2018; Howard et al., Searching for MobileNetV3, ICCV 2019"

    size: Literal["small", "paper"] = Field("small", description="paper: mobilenet_v2, mobilenet_v3_large")
    version: Literal["v2", "v3"] = Field("v2", description="which MobileNet")
    norm: Literal["batch", "group"] = Field("batch", description="group: for per-sample gradients")

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module for images of ``shape`` (C, H, W), float32 in [0, 1].

        Raises:
            DataError: a side is below 16 pixels.
        """
        from torchvision import models

        from privbench.models import _adapt, _blocks

        _adapt.require_side(self, shape, self.min_side)
        if self.size == "small":
            module = self._small(outputs)
        elif self.version == "v2":
            module = models.mobilenet_v2(weights=None, num_classes=outputs)
        else:
            module = models.mobilenet_v3_large(
                weights=None, num_classes=outputs, block=_blocks.InvertedResidualV3
            )
        stem: Any = module.get_submodule("features.0")
        stem[0] = _adapt.with_input(stem[0], shape[0])
        return _adapt.finish(module, self.norm)

    def _small(self, outputs: int) -> torch.nn.Module:
        from torchvision.models import mobilenetv2, mobilenetv3
        from torchvision.ops import Conv2dNormActivation

        from privbench.models import _blocks

        nn = torch.nn
        act = nn.ReLU6 if self.version == "v2" else nn.Hardswish
        features = [Conv2dNormActivation(3, 16, stride=1, norm_layer=nn.BatchNorm2d, activation_layer=act)]
        inputs = 16
        for width, stride in ((16, 1), (24, 2), (24, 1), (32, 2), (32, 1), (48, 2)):
            if self.version == "v2":
                block = mobilenetv2.InvertedResidual(inputs, width, stride, expand_ratio=4)
            else:
                config = mobilenetv3.InvertedResidualConfig(
                    inputs, 3, 4 * inputs, width, width > 16, "HS", stride, 1, 1.0
                )
                block = _blocks.InvertedResidualV3(config, nn.BatchNorm2d)
            features.append(block)
            inputs = width
        features.append(
            Conv2dNormActivation(inputs, 128, kernel_size=1, norm_layer=nn.BatchNorm2d, activation_layer=act)
        )
        parts = {
            "features": nn.Sequential(*features),
            "pool": nn.AdaptiveAvgPool2d(1),
            "flat": nn.Flatten(),
            "classifier": nn.Linear(128, outputs),
        }
        module = nn.Sequential(OrderedDict(parts))
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out")
        return module

    def feature_layers(self) -> tuple[str, ...]:
        """The stem, the last block of each resolution, the last features before the logits."""
        if self.size == "small":
            return *(f"features.{place}" for place in (0, 1, 3, 5, 6, 7)), "pool"
        places = (0, 1, 3, 6, 13, 17, 18) if self.version == "v2" else (0, 1, 3, 6, 12, 15, 16)
        return tuple(f"features.{place}" for place in places)
