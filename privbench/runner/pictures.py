"""The few images of a reconstruction cell that galleries show."""

from __future__ import annotations

from pathlib import Path

import torch

from privbench.runner.artefacts import write_tensors
from privbench.runner.cache import Cache

SHOWN = 8


def picture_path(cache: Cache, key: str) -> Path:
    """The file that holds the pictures of the cell with ``key``."""
    return cache.folder / "pictures" / f"{key}.safetensors"


def keep_pictures(cache: Cache, key: str, images: dict[str, torch.Tensor]) -> None:
    """Store the first images of each kind; the order of challenges is random, so they are a random sample."""
    write_tensors(
        picture_path(cache, key), {name: t[:SHOWN].cpu() for name, t in images.items()}, {"key": key}
    )
