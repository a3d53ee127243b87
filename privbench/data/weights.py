"""Pretrained weights that must be downloaded: a pinned table, and what is here of it.

Nothing here runs unless asked: no import and no metric downloads anything.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from privbench.core.errors import UserError, unknown
from privbench.core.file_names import user_path
from privbench.data import download

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class WeightFile:
    """A file of pretrained weights.

    Attributes:
        name: what commands call it.
        url: where it is published; https.
        sha256: its full digest, 64 hexadecimal digits.
        size: in bytes.
        licence: under which terms.
        used_by: what needs it.
        digest_source: who says that the digest is right.
    """

    name: str
    url: str
    sha256: str
    size: int
    licence: str
    used_by: str
    digest_source: str

    @property
    def file_name(self) -> str:
        """The name under which the file is published and kept."""
        return self.url.rpartition("/")[2]


FILES: tuple[WeightFile, ...] = (
    WeightFile(
        "alexnet",
        "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911,
        "BSD-3-Clause (torchvision); trained on ImageNet",
        "metric lpips",
        "torchvision publishes the first 8 digits in the file name; public projects record all 64",
    ),
    WeightFile(
        "vgg16",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881,
        "BSD-3-Clause (torchvision); trained on ImageNet",
        "perceptual features; no method yet",
        "torchvision publishes the first 8 digits in the file name; public projects record all 64",
    ),
    WeightFile(
        "vggface2",
        "https://github.com/timesler/facenet-pytorch/releases/download/v2.2.9/20180402-114759-vggface2.pt",
        "281cebca8662831adb987a874bdcb36e73f5b1c6dc5ee5878f305e985625d99b",
        111_898_327,
        "MIT (facenet-pytorch's code; none stated for the weights); trained on VGGFace2",
        "face similarity; no method yet",
        "the publisher gives none; several public projects record this one independently",
    ),
)


def weights_folder() -> Path:
    """Where weights are kept: ``PRIVBENCH_WEIGHTS``, or ``~/.cache/privbench/weights``."""
    given = os.environ.get("PRIVBENCH_WEIGHTS")
    return user_path(given) if given else Path.home() / ".cache" / "privbench" / "weights"


def find(name: str) -> WeightFile:
    """The table's entry ``name``.

    Raises:
        UserError: there is none; the nearest names are given.
    """
    for entry in FILES:
        if entry.name == name:
            return entry
    raise unknown("weights", name, (entry.name for entry in FILES))


def _state(entry: WeightFile) -> tuple[Path, str]:
    location = weights_folder() / entry.file_name
    return location, download.fault(location, entry.sha256)


def path(name: str) -> Path | None:
    """The file, if it is present and matches its pin, else None.

    Raises:
        UserError: no such entry.
    """
    location, fault = _state(find(name))
    return None if fault else location


def problem(name: str) -> str | None:
    """Why the weights cannot be used and what gets them, or None when they can.

    Names no folder, since the text goes into records that others read.
    """
    entry = find(name)
    location, fault = _state(entry)
    if not fault:
        return None
    command = f"Get it ({entry.size / 2**20:.0f} MiB): privbench weights fetch {name}"
    if fault == "missing":
        return f"{location.name} is not there. {command}"
    if fault == "wrong":
        return f"{location.name} does not match its published SHA-256. {command}"
    return f"{location.name} is {fault}. {command}"


def fetch(name: str, progress: download.Progress | None = None) -> Path:
    """Download weights unless they are here, check them and put them in place at once.

    Args:
        name: the table's entry.
        progress: called with bytes done and in all, about once for each MiB.

    Returns:
        the file, in ``weights_folder()``.

    Raises:
        UserError: no such entry, no connection (the message says how to do it by hand), no
            place to write, or the bytes do not match the pin (they are removed).
    """
    entry = find(name)
    location = weights_folder() / entry.file_name
    download.fetch(entry.url, location, sha256=entry.sha256, size=entry.size, progress=progress)
    return location


def state_dict(name: str) -> dict[str, torch.Tensor]:
    """The weights as tensors on the CPU, read without running any code that the file may hold.

    The very bytes that are loaded are hashed first.

    Raises:
        UserError: the file is missing or does not match its pin.
    """
    import torch

    entry = find(name)
    location = weights_folder() / entry.file_name
    try:
        content = location.read_bytes()
    except OSError:
        content = b""
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise UserError(problem(name) or f"{location} changed while it was read. Try again.")
    loaded: dict[str, torch.Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return loaded
