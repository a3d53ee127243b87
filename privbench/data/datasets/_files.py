"""What datasets share: finding, hashing and reading files."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from privbench.core.dataset import DatasetSource
from privbench.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def package_folder(package: str, advice: str) -> Path:
    """The folder of an installed ``package``, found without importing it.

    Raises:
        DataError: it is not installed; the message ends with ``advice``.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package {package!r}, which holds the images, is not installed. {advice}")
    return Path(spec.submodule_search_locations[0])


def digest(source: DatasetSource, files: Iterable[Path], without: Collection[str] = ()) -> str:
    """SHA-256 over the source's name, its options except ``without``, and the files' names and bytes.

    Raises:
        DataError: a file cannot be read.
    """
    options = {key: value for key, value in source.model_dump().items() if key not in without}
    total = hashlib.sha256(f"{source.registry_name}|{sorted(options.items())}|".encode())
    for path in files:
        try:
            with path.open("rb") as file:
                inner = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}.") from error
        total.update(f"{path.name}|{inner.hexdigest()}|".encode())
    return total.hexdigest()


def read_squares(files: Sequence[Path], size: int, grey: bool) -> npt.NDArray[np.uint8]:
    """Read images, crop the centre square of each and resize it, bilinear with antialiasing.

    Args:
        files: paths of N images in any format that Pillow reads.
        size: the side in pixels.
        grey: one channel instead of three.

    Returns:
        uint8 [N, C, size, size].

    Raises:
        DataError: a file is missing, damaged or no image; it is named.
    """
    import numpy as np
    from PIL import Image

    out = np.empty((len(files), 1 if grey else 3, size, size), dtype=np.uint8)

    def read(index: int) -> None:
        try:
            with Image.open(files[index]) as image:
                picture = image.convert("L" if grey else "RGB")
        # Pillow's decoders raise SyntaxError and ValueError for damaged files as well.
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(
                f"cannot read the image {files[index]}: {error}. Repair or remove the file."
            ) from error
        width, height = picture.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        # Cropping first: resize(box=…) would blend in pixels from outside the square.
        square = picture.crop((left, top, left + side, top + side))
        small = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
        out[index] = small[None] if grey else small.transpose(2, 0, 1)

    # Decoding releases the interpreter lock, and every thread writes its own row.
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        list(pool.map(read, range(len(files))))
    return out


def to_float(images: npt.NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
    """uint8 images as float32 in [0, 1], of the same shape."""
    return torch.as_tensor(images).to(torch.float32).div_(255.0)


def centre_square(images: torch.Tensor, size: int) -> torch.Tensor:
    """The centre square of each image [N, C, H, W], resized to [N, C, size, size] with antialiasing."""
    side = min(images.shape[2:])
    top, left = ((full - side) // 2 for full in images.shape[2:])
    square = images[:, :, top : top + side, left : left + side]
    return torch.nn.functional.interpolate(square, size=(size, size), mode="bilinear", antialias=True)
