"""Arrays in one NumPy file: ``npz:PATH``."""

from __future__ import annotations

import zipfile
import zlib
from typing import Any

import torch
from pydantic import Field

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.data.checks import checked_dataset
from privbench.data.datasets._files import centre_square, digest, to_float
from privbench.data.datasets._path import PathSource

_FORMAT = "The format: privbench show dataset npz"


@register("npz")
class Npz(PathSource):
    """Arrays of one file, as ``numpy.savez`` writes it; nothing is unpickled.

      images       [N, H, W] or [N, H, W, 1 or 3]: uint8, or floats in [0, 1]
      labels       [N]: integers from 0 without gaps, two classes or more
      identities   [N]: integers ≥ 0, who is in the picture (optional)
      attributes   [N, A]: 0 or 1, the hidden features (optional)
      class_names, attribute_names   [K], [A]: strings of a fixed width (optional)

    Arrays may be in two parts, ``train_images`` and ``test_images`` and so on. With ``identities``
    (that are not the labels) nobody is in the auxiliary data and in another part.
    """

    size: int | None = Field(
        None, ge=8, le=1024, description="resize the centre square to this side in pixels; unset: as stored"
    )

    def load(self) -> Dataset:
        """Read and check the arrays.

        Raises:
            DataError: missing, damaged, or arrays that cannot be used.
        """
        arrays = self._arrays()
        images = self._images(self._joined(arrays, "images"))
        labels = self._integers(self._joined(arrays, "labels"), "labels")
        identities = self._optional(arrays, "identities")
        attributes = self._optional(arrays, "attributes")
        top = int(labels.max()) if labels.numel() else -1
        if top >= max(len(images), 1):
            raise self._fail(
                f"label {top} is too large for {len(images)} images; labels run from 0 without gaps."
            )
        classes = self._names(arrays, "class_names") or [str(number) for number in range(top + 1)]
        width = attributes.shape[1] if attributes is not None and attributes.ndim == 2 else 0
        named = self._names(arrays, "attribute_names") or [f"attribute {number}" for number in range(width)]
        return checked_dataset(
            self.selector,
            LabelledImages(images, labels, identities, attributes),
            classes,
            named,
            identity_disjoint=identities is not None and not torch.equal(identities, labels),
        )

    def content_hash(self) -> str:
        """SHA-256 of the file and the options."""
        self._require()
        return digest(self, [self.location], without=("path",))

    def _require(self) -> None:
        if not self.location.is_file():
            raise DataError(f"no file {self.path!r}. Give an .npz file; {_FORMAT}")

    def _fail(self, what: str) -> DataError:
        return DataError(f"{self.path!r}: {what} {_FORMAT}")

    def _arrays(self) -> dict[str, Any]:
        import numpy as np

        self._require()
        key = ""
        try:
            archive = np.load(self.location, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise self._fail("this is one array, not an .npz archive. Write it with numpy.savez.")
            with archive:
                found = {}
                for key in archive.files:
                    found[key] = archive[key]
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise self._fail(f"the file is damaged or is no .npz archive ({error}).") from error
        except ValueError as error:
            if key:
                raise self._fail(
                    f"array {key!r} cannot be read ({error}). Object arrays are refused, since reading them "
                    "runs code: store numbers, or strings of a fixed width."
                ) from error
            raise self._fail("the file is no .npz archive.") from error
        return found

    def _joined(self, arrays: dict[str, Any], name: str) -> Any:
        """The array ``name``, or ``train_name`` and ``test_name`` one after the other."""
        import numpy as np

        if name in arrays:
            return arrays[name]
        parts = [arrays[key] for key in (f"train_{name}", f"test_{name}") if key in arrays]
        if len(parts) < 2:
            raise self._fail(
                f"there is no array {name!r}, nor 'train_{name}' and 'test_{name}'; "
                f"it holds {', '.join(sorted(arrays)) or 'nothing'}."
            )
        if parts[0].shape[1:] != parts[1].shape[1:] or parts[0].dtype != parts[1].dtype or not parts[0].ndim:
            raise self._fail(
                f"'train_{name}' ({parts[0].dtype}, {parts[0].shape}) and 'test_{name}' ({parts[1].dtype}, "
                f"{parts[1].shape}) do not fit together."
            )
        return np.concatenate(parts)

    def _images(self, array: Any) -> torch.Tensor:
        """float32 [N, C, H, W]; the range is checked later."""
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
        pixels = torch.from_numpy(array.astype(array.dtype.name, copy=False)).permute(0, 3, 1, 2).contiguous()
        images = to_float(pixels) if pixels.dtype == torch.uint8 else pixels.float()
        return images if self.size is None else centre_square(images, self.size)

    def _optional(self, arrays: dict[str, Any], name: str) -> torch.Tensor | None:
        if not {name, f"train_{name}", f"test_{name}"} & arrays.keys():
            return None
        return self._integers(self._joined(arrays, name), name)

    def _integers(self, array: Any, name: str) -> torch.Tensor:
        if array.dtype.kind not in "iub":
            raise self._fail(f"{name} are {array.dtype}; expected integers.")
        return torch.from_numpy(array.astype("int64"))

    def _names(self, arrays: dict[str, Any], name: str) -> list[str]:
        if name not in arrays:
            return []
        if arrays[name].ndim != 1 or arrays[name].dtype.kind != "U":
            raise self._fail(f"{name} must be a list of strings of a fixed width.")
        return [str(entry) for entry in arrays[name]]
