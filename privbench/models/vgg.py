"""VGG (Simonyan and Zisserman): torchvision's VGG-16 with norms, or four narrow convolutions."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

import torch
from pydantic import Field

from privbench.core.model import Model
from privbench.core.registry import register


@register("vgg")
class Vgg(Model):
    """Plain convolutions with pooling between stages; the small one ends in a global average."""

    source = "Simonyan and Zisserman, Very deep convolutional networks, ICLR 2015, configuration D"

    size: Literal["small", "paper"] = Field("small", description="paper: torchvision's vgg16_bn")
    norm: Literal["batch", "group"] = Field("batch", description="group: for per-sample gradients")

    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module for images of ``shape`` (C, H, W), float32 in [0, 1].

        Raises:
            DataError: a side is below 16 pixels, or below 32 for the paper's size.
        """
        from torchvision.models import vgg

        from privbench.models import _adapt

        _adapt.require_side(self, shape, self.min_side if self.size == "small" else 32)
        if self.size == "paper":
            module = vgg.vgg16_bn(weights=None, num_classes=outputs)
        else:
            nn = torch.nn
            features = vgg.make_layers([16, "M", 32, "M", 64, 64, "M"], batch_norm=True)
            parts = {
                "features": features,
                "pool": nn.AdaptiveAvgPool2d(1),
                "flat": nn.Flatten(),
                "classifier": nn.Linear(64, outputs),
            }
            module = nn.Sequential(OrderedDict(parts))
            for part in features:
                if isinstance(part, nn.Conv2d):
                    nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
                    nn.init.zeros_(part.bias)  # type: ignore[arg-type]
        module.features[0] = _adapt.with_input(module.features[0], shape[0])
        return _adapt.finish(module, self.norm)

    def feature_layers(self) -> tuple[str, ...]:
        """The pooling at the end of each stage, then the last features before the logits."""
        if self.size == "small":
            return "features.3", "features.7", "features.14", "pool"
        pools = (f"features.{place}" for place in (6, 13, 23, 33, 43))
        return *pools, "classifier.1", "classifier.4"
