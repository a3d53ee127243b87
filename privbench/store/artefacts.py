"""Files that are whole or absent: written to a temporary name, renamed, checked when read."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from privbench.core.errors import CannotWrite, CorruptArtefact

TEMPORARY = ".tmp-"
"""How the names of unfinished files begin."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that a reader sees all of it or none.

    Raises:
        CannotWrite: the disk is full or the folder is not writable.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY, suffix=path.suffix)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        why = "the disk is full" if error.errno in {errno.ENOSPC, errno.EDQUOT} else str(error)
        raise CannotWrite(
            f"cannot write {path}: {why}. Finished results are kept; make room or choose another "
            "folder, then run the same command again to continue."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


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


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    """Read what ``write_tensors`` wrote.

    Raises:
        CorruptArtefact: the file is missing, damaged or does not match its checksum.
    """
    try:
        # Read once: safe_open opens the path twice, and another run may replace the file in between.
        content = path.read_bytes()
        tensors = load(content)
        length = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + length])["__metadata__"]
        note = metadata["note"]
        if metadata["sha256"] != tensors_hash(tensors, note):
            raise CorruptArtefact(f"{path} does not match its checksum")
        return tensors, json.loads(note)
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise CorruptArtefact(f"{path} is not a readable artefact: {type(error).__name__}") from error
