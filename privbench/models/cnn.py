"""The default classifier: small, strided, made for training many on two cores."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from pydantic import Field

from privbench.core.model import Model
from privbench.core.registry import register


@register("cnn")
class Cnn(Model):
    """Two strided convolutions and a hidden layer of 64; further strided stages above 32 pixels.

    Strides in place of pooling train three times as fast on a CPU. There is no in-place
    operation, no dropout and no BatchNorm, so it can be vmapped and has per-sample gradients.
    """

    source = "LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998 (layout)"

    width: int = Field(
        8, ge=1, le=512, description="channels of the first convolution; later ones have twice"
    )
    norm: Literal["none", "group"] = Field("none", description="normalisation after each convolution")

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module for images of ``shape`` (C, H, W), float32 in [0, 1].

        Raises:
            DataError: a side is below 16 pixels.
        """
        from privbench.models._adapt import require_side
        from privbench.models._centre import Centre

        require_side(self, shape, self.min_side)
        nn = torch.nn
        channels, height, width = shape
        wide = 2 * self.width
        stages = [self._stage(channels, self.width, 5), self._stage(self.width, wide, 3)]
        height, width = -(-height // 4), -(-width // 4)
        deeper = []
        while max(height, width) > 8:
            deeper.append(self._stage(wide, wide, 3))
            height, width = -(-height // 2), -(-width // 2)
        parts: dict[str, torch.nn.Module] = {"centre": Centre(), "stage1": stages[0], "stage2": stages[1]}
        if deeper:
            parts["deeper"] = nn.Sequential(*deeper)
        parts["flat"] = nn.Flatten()
        parts["hidden"] = nn.Sequential(nn.Linear(wide * height * width, 64), nn.ReLU())
        parts["head"] = nn.Linear(64, outputs)
        return nn.Sequential(OrderedDict(parts))

    def _stage(self, inputs: int, outputs: int, kernel: int) -> torch.nn.Sequential:
        from privbench.models._adapt import groups_for

        nn = torch.nn
        parts: list[torch.nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride=2, padding=kernel // 2)]
        if self.norm == "group":
            parts.append(nn.GroupNorm(groups_for(outputs), outputs))
        return nn.Sequential(*parts, nn.ReLU())

    def feature_layers(self) -> tuple[str, ...]:
        """Both first stages, all convolutions (flattened), the hidden layer."""
        return "stage1", "stage2", "flat", "hidden"
