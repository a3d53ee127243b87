"""Squares of one size from image files and arrays, with what became of them in words."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch

from privbench.core.errors import DataError, counted
from privbench.data.checks import CHUNK
from privbench.data.datasets._decoding import CMYK, DEEP, SEVERAL, TRANSPARENT, UPRIGHT, decode

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

_LUMA = (19595, 38470, 7471)
"""ITU-R 601 in units of 2^-16, as Pillow rounds it."""
_DEPTHS = (14, 12, 10)
"""The usual depths of cameras and scanners below 16."""


@dataclass(frozen=True)
class Squares:
    """Images read from files.

    Attributes:
        pixels: uint8 [N, C, size, size].
        notes: what was done to them, a sentence each.
        warnings: what of it changes figures, with the option that ends it.
    """

    pixels: npt.NDArray[np.uint8]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class _Read(NamedTuple):
    """What is remembered of a file; see ``Decoded``."""

    size: tuple[int, int]
    facts: frozenset[str]
    peak: int | None
    colour: bool


def read_squares(files: Sequence[Path], size: int, grey: bool, depth: int | None = None) -> Squares:
    """Read images, crop the centre square of each and resize it, bilinear with antialiasing.

    Args:
        files: paths of N images of the formats that are listed.
        size: the side in pixels.
        grey: one channel instead of three.
        depth: how many bits the values of 16-bit files use; None: 16, unless none is that bright.

    Raises:
        DataError: a file is missing, damaged, no image, or of a kind that cannot be shown faithfully; or
            all files of 16 bits are so dark that they must use fewer. The file is named.
    """
    import numpy as np

    out = np.empty((len(files), 1 if grey else 3, size, size), dtype=np.uint8)

    def read(index: int) -> _Read:
        decoded = decode(files[index], depth)
        small = _square(decoded.picture, size, grey)
        out[index] = small[None] if grey else small.transpose(2, 0, 1)
        return _Read(decoded.picture.size, decoded.facts, decoded.peak, decoded.colour)

    # Decoding releases the interpreter lock, and every thread writes its own row. Pillow's warnings (of a
    # palette's transparency, of large images) are dealt with here, by refusal or note.
    with warnings.catch_warnings(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")
        found = list(pool.map(read, range(len(files))))
    _check_depth(files, found, depth)
    sizes = [each.size for each in found]
    facts = Counter(fact for each in found for fact in each.facts)
    notes = [_sizes_text(sizes, size)] if files else []
    notes += [
        f"{counted(facts[fact], 'file')} {fact}"
        for fact in (UPRIGHT, TRANSPARENT, CMYK, SEVERAL, DEEP)
        if facts[fact]
    ]
    return Squares(out, tuple(notes), tuple(enlarged((min(shape) for shape in sizes), size)))


def _square(picture: Image.Image, size: int, grey: bool) -> npt.NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    if picture.mode != "F":
        picture = picture.convert("L" if grey else "RGB")
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    # Cropping first: resize(box=…) would blend in pixels from outside the square.
    square = picture.crop((left, top, left + side, top + side))
    small = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
    if picture.mode == "F":
        small = (small.clip(0, 1) * 255).round().astype(np.uint8)
        return small if grey else small[..., None].repeat(3, axis=2)
    return small


def _check_depth(files: Sequence[Path], found: Sequence[_Read], depth: int | None) -> None:
    """Refuse files of 16 bits that hold numbers of fewer, which would read as almost black."""
    peaks = {index: each.peak for index, each in enumerate(found) if each.peak is not None}
    if depth is not None and not any(DEEP in each.facts for each in found):
        raise DataError(
            f"depth={depth} is about files of 16 bits, and none of the {counted(len(files), 'file')} is one. "
            "Leave it out."
        )
    if depth is not None or not peaks:
        return
    brightest = max(peaks, key=peaks.__getitem__)
    peak = peaks[brightest]
    fitting = [bits for bits in _DEPTHS if peak < 2**bits]
    if not fitting:
        return
    advice = (
        f"If their values have {fitting[-1]} bits, scale them to 16"
        if found[brightest].colour
        else f"If their values have {fitting[-1]} bits, say depth={fitting[-1]}"
    )
    raise DataError(
        f"cannot use the image {files[brightest]}: it is the brightest of {counted(len(peaks), 'file')} "
        f"of 16 bits, and its values end at {peak} of 65535. {advice}; if they are that dark, "
        "say depth=16."
    )


def _sizes_text(sizes: Sequence[tuple[int, int]], size: int) -> str:
    small, large = min(sizes, key=min), max(sizes, key=max)
    span = "×".join(map(str, small))
    if small != large:
        span += f" to {'×'.join(map(str, large))}"
    changed = [
        f"{count} {verb}"
        for count, verb in (
            (sum(min(shape) < size for shape in sizes), "enlarged"),
            (sum(min(shape) > size for shape in sizes), "reduced"),
            (sum(min(shape) == size for shape in sizes), "kept"),
        )
        if count
    ]
    cut = sum(shape[0] != shape[1] for shape in sizes)
    squares = f", the centre square of {cut}" if cut else ""
    how = f"{', '.join(changed)}{squares}"
    return f"{counted(len(sizes), 'image')} of {span} px brought to {size}×{size} ({how})"


def enlarged(sides: Iterable[int], size: int) -> list[str]:
    """A warning where squares of ``sides`` pixels were enlarged to ``size``, or nothing."""
    smaller = [side for side in sides if side < size]
    if not smaller:
        return []
    told = (
        f"{counted(len(smaller), 'image')} enlarged, the smallest from {min(smaller)} to {size} px: what is "
        f"smooth is easier to restore, and SSIM rises. size={max(8, min(smaller))} ends it."
    )
    return [told]


def centre_square(images: torch.Tensor, size: int) -> torch.Tensor:
    """The centre square of each image [N, C, H, W], resized to [N, C, size, size] with antialiasing.

    Args:
        images: float in [0, 1], or uint8, which is rounded to whole steps again.
        size: the side in pixels.

    Returns:
        Of the same type; in [0, 1], or in 0..255.
    """
    height, width = images.shape[2:]
    side = min(height, width)
    square = centre_crop(images, side)
    if side == size:
        return square.clone()
    if images.dtype == torch.uint8:
        parts = [centre_square(part.float() / 255, size) for part in torch.split(square, CHUNK)]
        return torch.cat([(part * 255).round_().to(torch.uint8) for part in parts])
    small = torch.nn.functional.interpolate(square, size=(size, size), mode="bilinear", antialias=True)
    # Weights sum to 1 up to rounding, which carries white beyond it.
    return small.clamp_(0, 1)


def centre_crop(images: torch.Tensor, side: int) -> torch.Tensor:
    """The centre ``side`` × ``side`` pixels of images [N, C, H, W], as they are."""
    top, left = ((full - side) // 2 for full in images.shape[2:])
    return images[:, :, top : top + side, left : left + side]


def luma(images: torch.Tensor) -> torch.Tensor:
    """Images [N, 3, H, W] as grey [N, 1, H, W]; equal channels stay what they are."""
    if images.dtype != torch.uint8:
        weights = images.new_tensor(_LUMA) / 2**16
        return (images * weights[:, None, None]).sum(dim=1, keepdim=True).clamp_(0, 1)
    units = torch.tensor(_LUMA, dtype=torch.int32)[:, None, None]
    parts = [
        (((part.int() * units).sum(dim=1, keepdim=True) + 2**15) >> 16).to(torch.uint8)
        for part in torch.split(images, CHUNK)
    ]
    return torch.cat(parts)
