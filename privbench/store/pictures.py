"""The few images of a cell that galleries show: originals, what was released, what was restored."""

from __future__ import annotations

from pathlib import Path

import torch

from privbench.core.errors import CorruptArtefact
from privbench.store.artefacts import read_tensors, write_tensors

SHOWN = 8


def picture_folder(out: Path) -> Path:
    """Where the pictures of a run below ``out`` are kept, a file for each record's key."""
    return out / "cache" / "pictures"


def keep_pictures(folder: Path, key: str, images: dict[str, torch.Tensor]) -> None:
    """Store the first images of each kind; challenges come in random order, so they are a random sample."""
    kept = {name: tensor[:SHOWN].clone() for name, tensor in images.items()}
    write_tensors(folder / f"{key}.safetensors", kept, {"key": key})


def kept_pictures(folder: Path, key: str) -> dict[str, torch.Tensor]:
    """The pictures of the record ``key``.

    Raises:
        CorruptArtefact: they are gone, damaged or another record's.
    """
    path = folder / f"{key}.safetensors"
    pictures, note = read_tensors(path)
    if note.get("key") != key:
        raise CorruptArtefact(f"{path} holds the pictures of another record")
    return pictures
