"""The base of datasets in the registry."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from pydantic import Field

from privbench.core.images import LabelledImages
from privbench.core.method import Method


@dataclass(frozen=True)
class Dataset:
    """A loaded dataset.

    Attributes:
        data: all images, in the dataset's own order; uint8 in 0..255 where there are many, or float32.
        class_names: the task's classes; ``data.labels`` index them. Empty where the data have no classes,
            and all labels are 0.
        attribute_names: names of the columns of ``data.attributes``.
        identity_disjoint: whether nobody may be in the auxiliary data and in another part.
        fingerprint: SHA-256 over the contents.
        notes: what was read and what became of it, a sentence each.
        warnings: what of it changes figures, with the option that ends it.
    """

    data: LabelledImages
    class_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    identity_disjoint: bool
    fingerprint: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class DatasetSource(Method):
    """A dataset's definition: its options are fields, ``load`` reads it."""

    kind = "dataset"

    crop: int | None = Field(
        None, ge=8, description="side of the centre square that is cut out at last, in pixels; unset: none is"
    )

    @abstractmethod
    def load(self) -> Dataset:
        """Read, check and return the dataset; ``crop`` is applied to it by ``data.reading.read``.

        Raises:
            DataError: it is missing or cannot be used; the message says how to get or mend it.
        """

    @abstractmethod
    def content_hash(self) -> str:
        """SHA-256 of the files behind the dataset, cheap enough to compute at every start."""

    def label(self, content: str) -> str:
        """What records and boards call the data; ``content`` is its ``content_hash``.

        The same for the same data wherever they lie, and another one for other data.
        """
        return self.selector
