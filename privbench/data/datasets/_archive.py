"""Arrays out of an ``.npz`` archive: bounded, never unpickled, parts put together."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from privbench.core.errors import DataError
from privbench.data.checks import CHUNK

PARTS = ("train", "val", "test")
"""Beginnings of names in an archive that comes split; privbench makes splits of its own."""

Fail = Callable[[str], DataError]
"""From what is wrong to the error."""


def read_arrays(path: Path, fail: Fail) -> dict[str, Any]:
    """All arrays in the archive at ``path``.

    Raises:
        DataError: as ``fail`` makes it: damaged, no archive, object arrays, or larger than the memory.
    """
    import numpy as np

    key = ""
    found = {}
    try:
        with path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise fail("this is one array, not an .npz archive. Write it with numpy.savez.")
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive, fail)
            for member in archive.infolist():
                key = member.filename.removesuffix(".npy")
                with archive.open(member) as file:
                    found[key] = np.lib.format.read_array(file, allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError) as error:
        raise fail(f"the file is damaged or is no .npz archive ({error}).") from error
    except MemoryError as error:
        raise fail(f"array {key!r} does not fit in memory.") from error
    except DataError:
        raise
    # Headers are parsed as Python literals: a damaged one may raise any error of that.
    except Exception as error:
        if key:
            raise fail(
                f"array {key!r} cannot be read ({error}). Object arrays are refused, since reading them "
                "runs code: store numbers, or strings of a fixed width."
            ) from error
        raise fail("the file is no .npz archive.") from error
    return found


def _check_sizes(archive: zipfile.ZipFile, fail: Fail) -> None:
    """Refuse what is larger than the memory, or claims to be larger than what the archive holds."""
    import numpy as np

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    whole = sum(member.file_size for member in archive.infolist())
    if whole > memory:
        raise fail(f"its arrays take {whole / 2**30:,.0f} GiB; this machine has {memory / 2**30:,.0f} GiB.")
    for member in archive.infolist():
        with archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            short, long = np.lib.format.read_array_header_1_0, np.lib.format.read_array_header_2_0
            shape, _, dtype = (short if version == (1, 0) else long)(file)
            if not dtype.hasobject and _items(shape) * dtype.itemsize > member.file_size:
                raise fail(f"array {member.filename!r} claims to be {list(shape)} and is shorter: damaged.")


def _items(shape: tuple[int, ...]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def in_planes(array: Any) -> torch.Tensor:
    """An array [N, H, W, C] of one's own as [N, C, H, W], in its own memory: large ones fit once only."""
    import numpy as np

    count, height, width, channels = array.shape
    moved = array.reshape(count, channels, height, width)
    if channels > 1:
        for start in range(0, count, CHUNK):
            part = slice(start, start + CHUNK)
            # An image takes the same bytes in either order.
            moved[part] = np.ascontiguousarray(array[part].transpose(0, 3, 1, 2))
    return torch.from_numpy(moved)


def pieces(arrays: dict[str, Any], name: str) -> list[str]:
    """The keys that hold the array ``name``, in order: itself, or its parts."""
    return [name] if name in arrays else [f"{p}_{name}" for p in PARTS if f"{p}_{name}" in arrays]


def joined(arrays: dict[str, Any], name: str, count: int, fail: Fail) -> Any:
    """The array ``name``, its parts one after the other; raises as ``check_pieces`` does."""
    import numpy as np

    check_pieces(arrays, name, count, fail)
    parts = [arrays[key] for key in pieces(arrays, name)]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def check_pieces(arrays: dict[str, Any], name: str, count: int, fail: Fail) -> None:
    """See that there are as many parts of ``name`` as ``count``, if not 0, and that they fit together.

    Raises:
        DataError: as ``fail`` makes it.
    """
    keys = pieces(arrays, name)
    if not keys:
        raise fail(
            f"there is no array {name!r}, nor 'train_{name}' with 'val_{name}' or 'test_{name}'; "
            f"it holds {', '.join(sorted(arrays)) or 'nothing'}."
        )
    first = arrays[keys[0]]
    for key in keys[1:]:
        other = arrays[key]
        if other.shape[1:] != first.shape[1:] or other.dtype != first.dtype or not other.ndim:
            raise fail(
                f"{keys[0]!r} ({first.dtype}, {first.shape}) and {key!r} ({other.dtype}, {other.shape}) do "
                "not fit together."
            )
    if count and len(keys) != count:
        raise fail(
            f"images are in {count} parts and {name} in {len(keys)}: {', '.join(keys)}. Give each part both."
        )
