"""Pretrained weights that must be downloaded: a pinned table, and the only code that fetches them.

Nothing here runs unless asked: no import and no metric downloads anything. A file counts only
while its SHA-256 equals the pin.
"""

from __future__ import annotations

import hashlib
import io
import os
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from privbench.core.errors import UserError, unknown

if TYPE_CHECKING:
    import torch

_BLOCK = 1 << 20
_TIMEOUT = 60.0


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
    return Path(given).expanduser() if given else Path.home() / ".cache" / "privbench" / "weights"


def find(name: str) -> WeightFile:
    """The table's entry ``name``.

    Raises:
        UserError: there is none; the nearest names are given.
    """
    for entry in FILES:
        if entry.name == name:
            return entry
    raise unknown("weights", name, (entry.name for entry in FILES))


@lru_cache(maxsize=32)
def _digest(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 - a changed file is another key
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _state(entry: WeightFile) -> tuple[Path, str]:
    path = weights_folder() / entry.file_name
    try:
        stat = path.stat()
        found = _digest(path, stat.st_size, stat.st_mtime_ns)
    except FileNotFoundError:
        return path, "missing"
    except OSError as error:
        return path, f"unreadable ({error.strerror})"
    return path, "" if found == entry.sha256 else "wrong"


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


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_https(url: str) -> None:
    if not url.startswith("https://"):
        raise UserError(f"refused to download from {url!r}: only https is allowed.")


def _open(url: str) -> IO[bytes]:
    _require_https(url)
    context = ssl.create_default_context()
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _HttpsOnly())
    stream: IO[bytes] = opener.open(urllib.request.Request(url), timeout=_TIMEOUT)  # noqa: S310 - https only
    return stream


def _download(entry: WeightFile, target: IO[bytes], progress: Callable[[int, int], None] | None) -> str:
    digest = hashlib.sha256()
    done = 0
    with _open(entry.url) as stream:
        while block := stream.read(_BLOCK):
            target.write(block)
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, entry.size)
            if done > entry.size:
                break
    if done < entry.size:
        raise ConnectionError(f"the connection ended after {done} of {entry.size} bytes")
    return digest.hexdigest()


def fetch(name: str, progress: Callable[[int, int], None] | None = None) -> Path:
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
    location, fault = _state(entry)
    if not fault:
        return location
    by_hand = f"Or download {entry.url} by hand and put it into {location.parent}."
    partial: Path | None = None
    try:
        location.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=location.parent, prefix=f".{entry.file_name}.", suffix=".part", delete=False
        ) as stream:
            partial = Path(stream.name)
            found = _download(entry, stream, progress)
        if found != entry.sha256:
            raise UserError(
                f"{entry.url} gave a file with SHA-256 {found}, not {entry.sha256}; it was removed. "
                "Try again; if it happens again, the file was changed or replaced on the way: do not use it."
            )
        partial.chmod(0o644)
        partial.replace(location)
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            f"{entry.url} could not be downloaded: {reason}. Try again later. {by_hand}"
        ) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)
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
