"""Residual blocks of torchvision whose sums are not in place, so that per-sample gradients work."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional as F
from torchvision.models import mobilenetv3, resnet
from torchvision.ops import SqueezeExcitation


class BasicBlock(resnet.BasicBlock):  # type: ignore[misc]
    """torchvision's two-convolution residual block; same parameters, same values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> [N, planes, H / stride, W / stride]."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        result: torch.Tensor = self.relu(out + shortcut)
        return result


class Bottleneck(resnet.Bottleneck):  # type: ignore[misc]
    """torchvision's three-convolution residual block; same parameters, same values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> [N, 4 planes, H / stride, W / stride]."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        result: torch.Tensor = self.relu(out + shortcut)
        return result


class Hardsigmoid(torch.nn.Module):
    """``nn.Hardsigmoid`` with a second derivative, which gradient inversion needs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Clamp x / 6 + 1 / 2 to [0, 1]."""
        return F.relu6(x + 3) / 6


class InvertedResidualV3(mobilenetv3.InvertedResidual):  # type: ignore[misc]
    """torchvision's MobileNetV3 block; same parameters, same values."""

    def __init__(
        self, cnf: mobilenetv3.InvertedResidualConfig, norm_layer: Callable[..., torch.nn.Module]
    ) -> None:
        super().__init__(cnf, norm_layer, partial(SqueezeExcitation, scale_activation=Hardsigmoid))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> [N, out, H / stride, W / stride]."""
        result: torch.Tensor = self.block(x)
        return result + x if self.use_res_connect else result
