"""CelebA: faces of celebrities with identities and forty attributes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from privbench.core.dataset import Dataset
from privbench.core.errors import UserError, unknown
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.data.checks import checked_dataset
from privbench.data.datasets._squares import read_squares
from privbench.data.datasets._torchvision import TorchvisionSource

_TABLES = (
    "list_attr_celeba",
    "identity_CelebA",
    "list_bbox_celeba",
    "list_landmarks_align_celeba",
    "list_eval_partition",
)


@register("celeba")
class CelebA(TorchvisionSource):
    """Aligned colour faces, the centre square (178×178 of 178×218) resized.

    One of the forty attributes is the task, the other 39 are the hidden features. Nobody is
    in the auxiliary data and in another part.
    """

    source = "Liu, Luo, Wang, Tang, Deep learning face attributes in the wild, ICCV 2015"

    task: str = Field("Male", description="which of the forty attributes is the task")
    size: int = Field(64, ge=28, le=178, description="side of the images in pixels")
    limit: int = Field(
        20_000, ge=0, description="how many images, whole identities in their order; 0 for all 202,599"
    )

    def load(self) -> Dataset:
        """Read the images: 12 kB each in memory at size 64, 250 MB for the default limit.

        Raises:
            DataError: absent, damaged, or a failed download.
            UserError: the task is none of the attributes.
        """
        celeba = self.opened()
        # The header line of the attributes' table ends in a space, which reads as one more name.
        names = [name for name in celeba.attr_names if name]
        if self.task not in names:
            raise unknown("task of dataset 'celeba':", self.task, names)
        people = celeba.identity[:, 0].long()
        order = people.argsort(stable=True)
        order = order[: _whole(people[order], self.limit)]
        folder = self.folder / "celeba" / "img_align_celeba"
        files = [folder / celeba.filename[index] for index in order.tolist()]
        attributes = celeba.attr[order].long()
        column = names.index(self.task)
        hidden = [index for index in range(len(names)) if index != column]
        squares = read_squares(files, self.size, grey=False)
        whole = len(order) == len(people)
        left = [] if whole else [f"{len(order):,} of {len(people):,} images, by limit={self.limit}"]
        data = LabelledImages(
            torch.from_numpy(squares.pixels),
            attributes[:, column].clone(),
            people[order],
            attributes[:, hidden],
        )
        classes = [f"{self.task}: no", f"{self.task}: yes"]
        return checked_dataset(
            self.selector,
            data,
            classes,
            [names[index] for index in hidden],
            identity_disjoint=True,
            notes=[*squares.notes, *left],
            warnings=squares.warnings,
        )

    def content_hash(self) -> str:
        """SHA-256 of the tables and of the images' names and sizes (their bytes are 1.4 GB)."""
        total = hashlib.sha256(super().content_hash().encode())
        with os.scandir(self.folder / "celeba" / "img_align_celeba") as entries:
            for name, size in sorted((entry.name, entry.stat().st_size) for entry in entries):
                total.update(f"{name}|{size}|".encode())
        return total.hexdigest()

    def files(self) -> list[Path]:
        """The tables and the folder of images."""
        tables = [self.folder / "celeba" / f"{name}.txt" for name in _TABLES]
        return [*tables, self.folder / "celeba" / "img_align_celeba"]

    def open(self, download: bool) -> Any:
        """All images, whichever set they are in."""
        from torchvision.datasets import CelebA as Torchvision

        return Torchvision(str(self.folder), split="all", target_type=["attr", "identity"], download=download)


def _whole(people: torch.Tensor, limit: int) -> int:
    """How many of ``people``, sorted, are whole identities within ``limit`` images; 0 is no limit.

    Raises:
        UserError: the first has more images than that.
    """
    if not limit or limit >= len(people):
        return len(people)
    whole = int((people[:limit] < people[limit]).sum())
    if not whole:
        raise UserError(f"celeba: limit={limit} is less than the images of one person. Raise it.")
    return whole
