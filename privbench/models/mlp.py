"""A perceptron on pixels: its first layer is linear in the image."""

from __future__ import annotations

from collections import OrderedDict

import torch
from pydantic import Field

from privbench.core.model import Model
from privbench.core.registry import register


@register("mlp")
class Mlp(Model):
    """Hidden layers of ``width`` with ReLU between them.

    The gradient of a first linear layer on one image is the image up to a factor, which analytic
    gradient inversion reads off.
    """

    source = "Rosenblatt, The perceptron, Psychological Review 1958; ReLU: Nair and Hinton, ICML 2010"
    min_side = 8

    width: int = Field(64, ge=1, le=8192, description="neurons of a hidden layer")
    depth: int = Field(1, ge=1, le=16, description="hidden layers")

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module for images of ``shape`` (C, H, W), float32 in [0, 1].

        Raises:
            DataError: a side below eight pixels.
        """
        from privbench.models._adapt import require_side

        require_side(self, shape, self.min_side)
        nn = torch.nn
        parts: OrderedDict[str, torch.nn.Module] = OrderedDict(flat=nn.Flatten())
        have = shape[0] * shape[1] * shape[2]
        for number in range(1, self.depth + 1):
            parts[f"hidden{number}"] = nn.Sequential(nn.Linear(have, self.width), nn.ReLU())
            have = self.width
        parts["head"] = nn.Linear(have, outputs)
        return nn.Sequential(parts)

    def feature_layers(self) -> tuple[str, ...]:
        """The hidden layers."""
        return tuple(f"hidden{number}" for number in range(1, self.depth + 1))
