"""CIFAR-10: 60,000 small colour images of ten classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from privbench.core.dataset import Dataset
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.data.checks import checked_dataset
from privbench.data.datasets._files import to_float
from privbench.data.datasets._torchvision import TorchvisionSource


@register("cifar10")
class Cifar10(TorchvisionSource):
    """60,000 colour images 32×32, torchvision's training and test sets one after the other."""

    source = "Krizhevsky, Learning multiple layers of features from tiny images, 2009"

    def load(self) -> Dataset:
        """Read all images: 740 MB as float32. torchvision verifies the files' checksums."""
        train, test = self.opened()
        pixels = torch.cat([torch.as_tensor(part.data) for part in (train, test)])
        images = to_float(pixels.permute(0, 3, 1, 2).contiguous())
        labels = torch.tensor([*train.targets, *test.targets])
        return checked_dataset(self.selector, LabelledImages(images, labels), train.classes)

    def files(self) -> list[Path]:
        """The unpacked batches."""
        names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch", "batches.meta"]
        return [self.folder / "cifar-10-batches-py" / name for name in names]

    def open(self, download: bool) -> Any:
        """The training and the test set."""
        from torchvision.datasets import CIFAR10

        return [CIFAR10(str(self.folder), train=train, download=download) for train in (True, False)]
