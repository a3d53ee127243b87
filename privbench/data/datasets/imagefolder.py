"""A folder of images: ``imagefolder:PATH``."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Sequence

import torch
from pydantic import Field

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError, UserError, counted
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.data.checks import checked_dataset, same_partition
from privbench.data.datasets._files import digest
from privbench.data.datasets._path import PathSource
from privbench.data.datasets._squares import read_squares
from privbench.data.datasets._table import NAME, Table, read_table
from privbench.data.datasets._tree import find_images, read_tree

_HASH_WHOLE = 256 * 2**20


@register("imagefolder")
class ImageFolder(PathSource):
    """Images as ``PATH/class/…/image.jpg``, or with ``PATH/labels.csv``, or in one folder without classes.

    Classes are numbered in the order of their names. Folders train, val and test are splits: the classes
    are those inside, and the splits are put together. ``labels.csv`` has a header and a row for each
    image: ``file``; ``class``, unless ``task`` names another column; ``identity``, who is in the picture;
    and columns of 0 and 1, the attributes. The centre square of each image is resized. Hidden files are
    skipped, links followed.
    """

    size: int = Field(64, ge=8, le=1024, description="side of the images in pixels")
    grey: bool = Field(False, description="one channel instead of three")
    task: str = Field("", description="column of labels.csv that is the class; by default class")
    depth: int | None = Field(
        None, ge=9, le=16, description="how many bits 16-bit files use; by default 16, if any is that bright"
    )

    def load(self) -> Dataset:
        """Read all images.

        Raises:
            DataError: no such folder, fewer than two classes, a class without images, a table that does
                not fit, or a file that is no image.
            UserError: no column ``task``.
        """
        table = self._table()
        if table is not None:
            return self._labelled(table)
        tree = read_tree(self.location, self.path)
        labels = torch.arange(len(tree.classes)).repeat_interleave(
            torch.tensor([len(paths) for paths in tree.classes.values()], dtype=torch.int64)
        )
        if not tree.classes:
            labels = torch.zeros(len(tree.loose), dtype=torch.int64)
        squares = read_squares(tree.files, self.size, self.grey, self.depth)
        return checked_dataset(
            self.selector,
            LabelledImages(torch.from_numpy(squares.pixels), labels),
            list(tree.classes),
            notes=[*tree.said(), *squares.notes],
            warnings=squares.warnings,
        )

    def content_hash(self) -> str:
        """SHA-256 of the options and the files.

        Of folders above 256 MiB only names, sizes and times of change are read.
        """
        table = self._table()
        files = read_tree(self.location, self.path).files if table is None else table.files
        facts = [path.stat() for path in files]
        whole = sum(fact.st_size for fact in facts) <= _HASH_WHOLE
        read = [*([self.location / NAME] if table else []), *(files if whole else ())]
        total = hashlib.sha256(digest(self, read, without=("path",)).encode())
        for path, fact in zip(files, facts, strict=True):
            total.update(os.fsencode(path.relative_to(self.location)) + f"|{fact.st_size}|".encode())
            if not whole:
                total.update(f"{fact.st_mtime_ns}|".encode())
        return total.hexdigest()

    def _table(self) -> Table | None:
        if not self.location.is_dir():
            kind = "is a file" if self.location.exists() else "is not there"
            raise DataError(
                f"no folder {self.path!r}: it {kind}. Give a folder of images: with one sub-folder for each "
                f"class, with a {NAME}, or without either."
            )
        place = self.location / NAME
        if place.is_file():
            return read_table(self.location, self.task)
        if place.exists():
            raise DataError(f"{place} is no plain file. Give a table, or another folder.")
        if self.task:
            raise UserError(f"task={self.task} names a column of {NAME}, and {self.path!r} has none.")
        return None

    def _labelled(self, table: Table) -> Dataset:
        """The dataset of a folder with a table."""
        classes, labels = _numbered(table.labels, len(table.files))
        classes = [f"{self.task}: {name}" for name in classes] if self.task else classes
        people = _numbered(table.identities, len(table.files))[1] if table.identities else None
        columns = [torch.tensor(values) for values in table.attributes.values()]
        squares = read_squares(table.files, self.size, self.grey, self.depth)
        return checked_dataset(
            self.selector,
            LabelledImages(
                torch.from_numpy(squares.pixels),
                labels,
                people,
                torch.stack(columns, 1) if columns else None,
            ),
            classes,
            list(table.attributes),
            identity_disjoint=people is not None and not same_partition(people, labels),
            notes=[*self._unused(table), *squares.notes],
            warnings=squares.warnings,
        )

    def _unused(self, table: Table) -> list[str]:
        """What of the table and the folder is not used."""
        notes = []
        if table.left:
            notes.append(
                f"{counted(len(table.left), 'column')} of {NAME} left out, neither 0 nor 1: "
                f"{', '.join(table.left)}. task=COLUMN makes one the class"
            )
        others: Counter[str] = Counter()
        used = set(table.files)
        left = sum(path not in used for path in find_images(self.location, others))
        if left:
            notes.append(f"{counted(left, 'image')} left out: no row of {NAME} names them")
        return notes


def _numbered(names: Sequence[str], count: int) -> tuple[list[str], torch.Tensor]:
    """The distinct ``names`` in order, and each image's number among them; zeros where there are none."""
    if not names:
        return [], torch.zeros(count, dtype=torch.int64)
    # Numbers in the order of their values, not of their digits.
    whole = all(name.isdecimal() for name in names)
    order = sorted(set(names), key=(lambda name: (int(name), name)) if whole else None)
    number = {name: index for index, name in enumerate(order)}
    return order, torch.tensor([number[name] for name in names])
