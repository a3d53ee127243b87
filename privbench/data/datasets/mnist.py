"""MNIST: 70,000 handwritten digits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from privbench.core.dataset import Dataset
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.data.checks import checked_dataset
from privbench.data.datasets._torchvision import TorchvisionSource


@register("mnist")
class Mnist(TorchvisionSource):
    """70,000 grey digits 28×28, torchvision's training and test sets one after the other."""

    source = "LeCun, Cortes, Burges, The MNIST database of handwritten digits, 1998"

    def load(self) -> Dataset:
        """Read all images: 55 MB."""
        train, test = self.opened()
        images = torch.cat([train.data, test.data])[:, None]
        labels = torch.cat([train.targets, test.targets]).long()
        return checked_dataset(self.selector, LabelledImages(images, labels), [str(d) for d in range(10)])

    def files(self) -> list[Path]:
        """The four unpacked files."""
        names = [
            f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
        ]
        return [self.folder / "MNIST" / "raw" / name for name in names]

    def open(self, download: bool) -> Any:
        """The training and the test set, from the raw files alone."""
        from torchvision import datasets

        # torchvision names its folder after the class. Were there two pickled files that its old releases
        # wrote, it would unpickle those in place of the raw files, which alone are hashed.
        class MNIST(datasets.MNIST):  # type: ignore[misc]
            def _check_legacy_exist(self) -> bool:
                return False

        return [MNIST(str(self.folder), train=train, download=download) for train in (True, False)]
