"""ResNet (He et al.): torchvision's, or three narrow stages for 28 to 32 pixels."""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated, Literal

import torch
from pydantic import BeforeValidator, Field

from privbench.core.model import Model
from privbench.core.registry import register


@register("resnet")
class ResNet(Model):
    """Residual network; the small one is CIFAR-style: 3x3 stem, one block in each of three stages."""

    source = "He et al., Deep residual learning for image recognition, CVPR 2016"

    size: Literal["small", "paper"] = Field("small", description="paper: torchvision's definition")
    # A literal number does not convert the text of a selector by itself.
    depth: Annotated[Literal[18, 50], BeforeValidator(int)] = Field(
        18, description="18: basic blocks, 50: bottleneck blocks"
    )
    norm: Literal["batch", "group"] = Field("batch", description="group: for per-sample gradients")

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module for images of ``shape`` (C, H, W), float32 in [0, 1].

        Raises:
            DataError: a side is below 16 pixels.
        """
        from torchvision.models import resnet

        from privbench.models import _adapt, _blocks

        _adapt.require_side(self, shape, self.min_side)
        block = _blocks.BasicBlock if self.depth == 18 else _blocks.Bottleneck
        if self.size == "small":
            return _adapt.finish(self._small(shape[0], outputs, block), self.norm)
        layers = {18: [2, 2, 2, 2], 50: [3, 4, 6, 3]}[self.depth]
        module = resnet.ResNet(block, layers, num_classes=outputs)
        module.conv1 = _adapt.with_input(module.conv1, shape[0])
        return _adapt.finish(module, self.norm)

    def _small(self, channels: int, outputs: int, block: type) -> torch.nn.Module:
        nn = torch.nn
        grow: int = block.expansion  # type: ignore[attr-defined]
        parts: dict[str, torch.nn.Module] = {
            "stem": nn.Sequential(
                nn.Conv2d(channels, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
            )
        }
        inputs = 16
        for number, planes in enumerate((16, 32, 64), 1):
            stride, width = (1 if number == 1 else 2), planes * grow
            shortcut = None
            if stride != 1 or inputs != width:
                shortcut = nn.Sequential(
                    nn.Conv2d(inputs, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
                )
            parts[f"layer{number}"] = block(inputs, planes, stride, shortcut)
            inputs = width
        parts |= {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), "fc": nn.Linear(inputs, outputs)}
        module = nn.Sequential(OrderedDict(parts))
        for part in module.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
        return module

    def feature_layers(self) -> tuple[str, ...]:
        """The stem, each stage, the pooled features."""
        if self.size == "small":
            return "stem", "layer1", "layer2", "layer3", "pool"
        return "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool"
