"""A folder of images, one sub-folder a class: ``imagefolder:PATH``."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from pydantic import Field

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.data.checks import checked_dataset
from privbench.data.datasets._files import digest, read_squares, to_float
from privbench.data.datasets._path import PathSource

_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
_HASH_WHOLE = 256 * 2**20


@register("imagefolder")
class ImageFolder(PathSource):
    """Images as ``PATH/class/…/image.jpg``; classes are numbered in the order of their names.

    The centre square of each image is resized. Hidden files and folders are skipped.
    """

    size: int = Field(64, ge=8, le=1024, description="side of the images in pixels")
    grey: bool = Field(False, description="one channel instead of three")

    def load(self) -> Dataset:
        """Read all images.

        Raises:
            DataError: no such folder, fewer than two classes, a class without images, or a file
                that is no image.
        """
        classes = self._classes()
        files = [path for paths in classes.values() for path in paths]
        labels = torch.arange(len(classes)).repeat_interleave(
            torch.tensor([len(paths) for paths in classes.values()])
        )
        images = to_float(read_squares(files, self.size, self.grey))
        return checked_dataset(self.selector, LabelledImages(images, labels), list(classes))

    def content_hash(self) -> str:
        """SHA-256 of the options and the files.

        Of folders above 256 MiB only names, sizes and times of change are read.
        """
        files = [path for paths in self._classes().values() for path in paths]
        facts = [path.stat() for path in files]
        whole = sum(fact.st_size for fact in facts) <= _HASH_WHOLE
        total = hashlib.sha256(digest(self, files if whole else (), without=("path",)).encode())
        for path, fact in zip(files, facts, strict=True):
            total.update(f"{path.relative_to(self.location).as_posix()}|{fact.st_size}|".encode())
            if not whole:
                total.update(f"{fact.st_mtime_ns}|".encode())
        return total.hexdigest()

    def _classes(self) -> dict[str, list[Path]]:
        """The images of each class, both in order."""
        if not self.location.is_dir():
            raise DataError(
                f"no folder {self.path!r}. Give a folder that holds one sub-folder of images for each class."
            )
        folders = sorted(p for p in self.location.iterdir() if p.is_dir() and not p.name.startswith("."))
        if len(folders) < 2:
            raise DataError(
                f"{self.path!r} has {len(folders)} sub-folders; expected at least two, one for each class."
            )
        classes = {folder.name: _images(folder) for folder in folders}
        empty = [name for name, files in classes.items() if not files]
        if empty:
            raise DataError(
                f"class {empty[0]!r} of {self.path!r} has no images ({', '.join(sorted(_SUFFIXES))}). "
                "Fill the sub-folder or remove it."
            )
        return classes


def _images(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))
