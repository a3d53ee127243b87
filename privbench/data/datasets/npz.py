"""Arrays in one NumPy file: ``npz:PATH``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError, counted
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.data.checks import check_images, checked_dataset, same_partition
from privbench.data.datasets._archive import check_pieces, in_planes, joined, pieces, read_arrays
from privbench.data.datasets._files import digest
from privbench.data.datasets._path import PathSource
from privbench.data.datasets._squares import centre_square, enlarged, luma

_FORMAT = "The format: privbench show dataset npz"
_READ = ("images", "labels", "identities", "attributes")
_NAMES = ("class_names", "attribute_names")


@register("npz")
class Npz(PathSource):
    """Arrays of one file, as ``numpy.savez`` writes it; nothing is unpickled.

      images       [N, H, W] or [N, H, W, 1 or 3]: uint8 in 0..255, or floats in [0, 1]
      labels       [N] or [N, 1]: integers from 0 without gaps, two classes or more; without labels
                   there are no classes
      identities   [N] or [N, 1]: integers ≥ 0, who is in the picture (optional)
      attributes   [N, A]: 0 or 1, the hidden features (optional)
      class_names, attribute_names   [K], [A]: strings of a fixed width (optional)

    Arrays may be in parts, ``train_images``, ``val_images``, ``test_images`` and so on, which are put
    together. With ``identities`` nobody is in the auxiliary data and in another part, unless the labels
    are the people.
    """

    size: int | None = Field(
        None, ge=8, le=1024, description="resize the centre square to this side in pixels; unset: as stored"
    )
    grey: bool = Field(False, description="one channel (luma) instead of three")

    def load(self) -> Dataset:
        """Read and check the arrays.

        Raises:
            DataError: missing, damaged, or arrays that cannot be used.
        """
        arrays = read_arrays(self._file(), self._fail)
        notes = self._notes(arrays)
        names = {name: self._names(arrays, name) for name in _NAMES}
        parts = len(pieces(arrays, "images"))
        integers = {name: self._integers(arrays, name, parts) for name in _READ[1:] if pieces(arrays, name)}
        images, warnings = self._images(arrays, parts)
        if "labels" not in integers and names["class_names"]:
            raise self._fail("there are class_names, but no labels.")
        labels = integers.get("labels", torch.zeros(len(images), dtype=torch.int64))
        identities, attributes = integers.get("identities"), integers.get("attributes")
        top = int(labels.max()) if labels.numel() else -1
        if top >= max(len(images), 1):
            raise self._fail(
                f"label {top} is too large for {len(images)} images; they run from 0 without gaps."
            )
        classes = names["class_names"] or [str(number) for number in range(top + 1)]
        width = attributes.shape[1] if attributes is not None and attributes.ndim == 2 else 0
        named = names["attribute_names"] or [f"attribute {n}" for n in range(width)]
        by_person = identities is not None and not (
            identities.shape == labels.shape and labels.ndim == 1 and same_partition(identities, labels)
        )
        return checked_dataset(
            self.selector,
            LabelledImages(images, labels, identities, attributes),
            classes if "labels" in integers else [],
            named,
            identity_disjoint=by_person,
            notes=notes,
            warnings=warnings,
        )

    def content_hash(self) -> str:
        """SHA-256 of the file and the options."""
        return digest(self, [self._file()], without=("path",))

    def _file(self) -> Path:
        if self.location.is_file():
            return self.location
        raise DataError(f"no file {self.path!r}. Give an .npz file; {_FORMAT}")

    def _fail(self, what: str) -> DataError:
        return DataError(f"{self.path!r}: {what} {_FORMAT}")

    def _notes(self, arrays: dict[str, Any]) -> list[str]:
        """Which parts were put together, and which arrays left out."""
        keys, notes = pieces(arrays, "images"), []
        if len(keys) > 1:
            sizes = ", ".join(f"{key} {len(arrays[key]):,}" for key in keys if arrays[key].ndim)
            notes.append(f"parts put together (privbench makes its own splits): {sizes}")
        used = {key for name in _READ for key in pieces(arrays, name)} | set(_NAMES)
        if left := sorted(arrays.keys() - used):
            notes.append(f"{counted(len(left), 'array')} left out: {', '.join(map(repr, left))}")
        return notes

    def _images(self, arrays: dict[str, Any], parts: int) -> tuple[torch.Tensor, list[str]]:
        """The images, uint8 or float32 [N, C, H, W], as they will be used, and warnings."""
        check_pieces(arrays, "images", parts, self._fail)
        keys = pieces(arrays, "images")
        if self.size is None and not self.grey:
            whole = [self._pixels(arrays.pop(key)) for key in keys]
            return whole[0] if len(whole) == 1 else torch.cat(whole), []
        made, sides = [], []
        for key in keys:
            pixels = self._pixels(arrays.pop(key))
            sides += [min(pixels.shape[2:])] * len(pixels)
            # Before anything is clipped to the range.
            check_images(pixels, self.selector)
            pixels = luma(pixels) if self.grey and pixels.shape[1] == 3 else pixels
            made.append(pixels if self.size is None else centre_square(pixels, self.size))
        return torch.cat(made), enlarged(sides, self.size or 0)

    def _pixels(self, array: Any) -> torch.Tensor:
        if array.dtype.name not in ("uint8", "float16", "float32", "float64"):
            raise self._fail(
                f"images are {array.dtype}; expected uint8 in 0..255 or floating point numbers in [0, 1]."
            )
        if array.ndim == 3:
            array = array[..., None]
        if array.ndim != 4 or array.shape[-1] not in (1, 3):
            channels_first = array.ndim == 4 and array.shape[1] in (1, 3)
            hint = " Move the channels last: images.transpose(0, 2, 3, 1)." if channels_first else ""
            raise self._fail(
                f"images have shape {list(array.shape)}; expected [N, H, W] or [N, H, W, C] "
                f"with C 1 (grey) or 3 (RGB).{hint}"
            )
        # The plain type's name drops a foreign byte order, which torch cannot hold.
        pixels = in_planes(array.astype(array.dtype.name, order="C", copy=False))
        return pixels if pixels.dtype == torch.uint8 else pixels.float()

    def _integers(self, arrays: dict[str, Any], name: str, parts: int) -> torch.Tensor:
        array = joined(arrays, name, parts, self._fail)
        if array.dtype.kind not in "iub":
            raise self._fail(f"{name} are {array.dtype}; expected integers.")
        if name != "attributes" and array.ndim == 2:
            if array.shape[1] != 1:
                raise self._fail(
                    f"{name} have shape {list(array.shape)}; expected [N] or [N, 1]. Several "
                    "yes-or-no labels for each image are called 'attributes'."
                )
            array = array[:, 0]
        return torch.from_numpy(array.astype("int64"))

    def _names(self, arrays: dict[str, Any], name: str) -> list[str]:
        if name not in arrays:
            return []
        if arrays[name].ndim != 1 or arrays[name].dtype.kind != "U":
            raise self._fail(f"{name} must be a list of strings of a fixed width.")
        return [str(entry) for entry in arrays[name]]
