"""The one decoder of image files: what a viewer shows, with 8 bits a channel, or a refusal by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from privbench.core.errors import DataError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What reaches a decoder, whatever a file's name says."""
SUFFIXES = frozenset(
    {
        ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif",
        ".tiff", ".webp",
    }
)  # fmt: skip
MAX_PIXELS = 89_478_485
"""Pillow's own bound, above which it suspects a decompression bomb."""

UPRIGHT = "turned upright by their EXIF tag"
TRANSPARENT = "with transparency, composited on white"
CMYK = "in CMYK, converted without a colour profile"
SEVERAL = "of several pictures, of which the first was read"
DEEP = "of more than 8 bits a channel, rounded to 8"
_ORIENTATION, _BITS, _PHOTOMETRIC, _WHITE_IS_ZERO = 0x0112, 258, 262, 0
_ALPHA = frozenset({"LA", "PA", "RGBA", "RGBa"})
_MODES = frozenset({"1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr"}) | _ALPHA
_DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N"})


@dataclass(frozen=True)
class Decoded:
    """One decoded file.

    Attributes:
        picture: of mode L or RGB, or of mode F in [0, 1], grey.
        facts: what was done to it, of the texts above.
        peak: the brightest value of a file of 16 bits that does not say how many of them it uses; else None.
        colour: whether ``picture`` lost the lower 8 bits of 16.
    """

    picture: Image.Image
    facts: frozenset[str]
    peak: int | None = None
    colour: bool = False


def decode(path: Path, depth: int | None = None) -> Decoded:
    """Decode one file.

    Args:
        path: of the file.
        depth: how many bits the values of 16-bit files use; None: what the file says, or 16.

    Raises:
        DataError: missing, damaged, no image of a listed format, too large, or of a kind that cannot be
            shown faithfully; it is named.
    """
    from PIL import Image, TiffImagePlugin, WebPImagePlugin  # noqa: F401 - Pillow's own loading has a race

    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise _Unfit(f"it claims {width}×{height} pixels; at most {MAX_PIXELS:,} are decoded")
            return _decoded(image, depth)
    except _Unfit as error:
        raise DataError(f"cannot use the image {path}: {error}. Convert or remove the file.") from None
    # Pillow's decoders have no error type of their own: a damaged file may raise any.
    except Exception as error:
        raise DataError(
            f"cannot read the image {path}: {_one_line(error)}. Repair or remove the file."
        ) from error


class _Unfit(Exception):
    """An image that is whole and yet cannot be used."""


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")


def _decoded(image: Image.Image, depth: int | None) -> Decoded:
    import numpy as np
    from PIL import ImageOps

    # Looked at before loading, which forgets it: Pillow keeps the upper 8 bits of 16-bit colour.
    tiles = getattr(image, "tile", [])
    halved = any(";16" in str(tile[3]) for tile in tiles)
    facts = {SEVERAL} if getattr(image, "is_animated", False) else set()
    if image.getexif().get(_ORIENTATION, 1) in range(2, 9):
        facts.add(UPRIGHT)
    image.load()
    tags = getattr(image, "tag_v2", {})
    upright = ImageOps.exif_transpose(image)
    if image.mode in _DEEP_MODES or image.mode in {"I", "F"}:
        picture, peak = _grey_deep(image, upright, tags, depth)
        return Decoded(picture, frozenset(facts | {DEEP}), peak)
    if image.mode not in _MODES:
        raise _Unfit(f"pixels of mode {image.mode} are not read")
    if upright.mode == "CMYK":
        facts.add(CMYK)
    picture, transparent = _opaque(upright)
    if transparent:
        facts.add(TRANSPARENT)
    if not halved:
        return Decoded(picture, frozenset(facts))
    if depth not in {None, 16}:
        raise _Unfit(f"16-bit colour is read by its upper 8 bits, which hold nothing where depth={depth}")
    return Decoded(picture, frozenset(facts | {DEEP}), int(np.asarray(picture).max()) * 257, colour=True)


def _grey_deep(
    image: Image.Image, upright: Image.Image, tags: Any, depth: int | None
) -> tuple[Image.Image, int | None]:
    """A grey picture of more than 8 bits as mode F in [0, 1], and its peak where its depth is not sure."""
    import numpy as np
    from PIL import Image

    values = np.asarray(upright).astype(np.float64)
    if not np.isfinite(values).all():
        raise _Unfit("NaN or infinite pixels")
    low, high = float(values.min()), float(values.max())
    if image.mode == "F":
        if low < 0 or high > 1:
            raise _Unfit(f"floating point pixels from {low:g} to {high:g}; expected [0, 1]")
        return Image.fromarray(values.astype(np.float32)), None
    if image.mode == "I" and image.format not in {"PNG", "PPM"}:
        raise _Unfit("32-bit integers have no known range")
    if "transparency" in image.info:
        raise _Unfit("16-bit grey with a transparent value is not read")
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        raise _Unfit("16-bit grey in which white is 0 is not read")
    told = _told(tags.get(_BITS))
    bits = told or depth or 16
    if low < 0 or high > 2**bits - 1:
        raise _Unfit(f"values from {low:g} to {high:g}, outside of the {bits} bits of depth={bits}")
    return Image.fromarray((values / (2**bits - 1)).astype(np.float32)), None if told else int(high)


def _told(bits: Any) -> int | None:
    """The depth that a TIFF file states, where it says more than that values are kept in 16 bits."""
    stated = max(bits) if isinstance(bits, tuple) and bits else bits
    return stated if isinstance(stated, int) and 8 < stated < 16 else None


def _opaque(image: Image.Image) -> tuple[Image.Image, bool]:
    """``image`` as L or RGB, composited on white, and whether anything of it was transparent."""
    from PIL import Image

    palette = image.palette.mode if image.mode == "P" and image.palette else ""
    if image.mode not in _ALPHA and "transparency" not in image.info and not palette.endswith("A"):
        grey = image.mode in {"1", "L"}
        return image.convert("L" if grey else "RGB"), False
    grey = image.mode in {"LA", "1", "L"}
    full = image.convert("RGBA")
    if full.getchannel("A").getextrema()[0] == 255:
        return full.convert("L" if grey else "RGB"), False
    white = Image.new("RGBA", full.size, "white")
    return Image.alpha_composite(white, full).convert("L" if grey else "RGB"), True
