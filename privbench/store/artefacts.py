"""Files that are whole or absent: written to a temporary name, renamed, checked when read."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, save

from privbench.core.errors import CannotWrite, CorruptArtefact
from privbench.store.files import TEMPORARY, read_bounded

LARGEST = 2**34
"""Bytes of the largest artefact that is read."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees all of it or none.

    Raises:
        CannotWrite: the disk is full or the folder is not writable.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        why = "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else str(error)
        raise CannotWrite(
            f"cannot write {path}: {why}. Finished results are kept; make room or choose another "
            "folder, then run the same command again to continue."
        ) from error


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY, suffix=path.suffix)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            with contextlib.suppress(OSError):
                # Held until the file has its own name: what nobody holds was left by a killed run.
                fcntl.flock(file, fcntl.LOCK_EX)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def artefact_hash(tensors: Mapping[str, torch.Tensor], note: Mapping[str, object]) -> str:
    """The checksum of the file that ``write_tensors`` would write."""
    return tensors_hash(tensors, json.dumps(note, sort_keys=True))


def tensors_hash(tensors: Mapping[str, torch.Tensor], note: str = "") -> str:
    """SHA-256 of ``note`` and of the names, types, shapes and values of CPU ``tensors``."""
    digest = hashlib.sha256(note.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write_tensors(path: Path, tensors: dict[str, torch.Tensor], note: dict[str, object]) -> None:
    """Write named CPU tensors and a JSON ``note`` as one safetensors file with a checksum.

    The same tensors and note give the same bytes.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    text = json.dumps(note, sort_keys=True)
    write_bytes(path, _in_order(save(tensors, {"note": text, "sha256": tensors_hash(tensors, text)})))


def _in_order(content: bytes) -> bytes:
    """The safetensors file ``content`` with its header sorted: the library writes metadata in any order."""
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8:start]), sort_keys=True, separators=(",", ":")).encode()
    # Padded as the library does it, so that tensors are aligned.
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]


@dataclass(frozen=True)
class Artefact:
    """What ``write_tensors`` wrote: the tensors, the note, and the checksum over both."""

    tensors: dict[str, torch.Tensor]
    note: dict[str, object]
    sha256: str


def read_artefact(path: Path) -> Artefact:
    """Read what ``write_tensors`` wrote.

    Raises:
        CorruptArtefact: the file is missing, damaged or does not match its checksum.
    """
    # Read once: safe_open opens the path twice, and another run may replace the file in between.
    content = read_bounded(path, LARGEST)
    try:
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        matches = metadata["sha256"] == tensors_hash(tensors, metadata["note"])
        note = json.loads(metadata["note"])
    except Exception as error:
        # Whatever the parsers make of hostile bytes: nesting, sizes, types that torch cannot view.
        raise CorruptArtefact(f"{path} is not a readable artefact: {type(error).__name__}") from error
    if not matches:
        raise CorruptArtefact(f"{path} does not match its checksum")
    if not isinstance(note, dict):
        raise CorruptArtefact(f"{path} is not a readable artefact: its note is no object")
    return Artefact(tensors, note, metadata["sha256"])


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    """The tensors and the note of ``read_artefact``."""
    found = read_artefact(path)
    return found.tensors, found.note
