"""A hash of what a value holds."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

import torch


def content_digest(value: object) -> str:
    """SHA-256 over a value: tensors by type, shape and bytes, dataclasses by their fields."""
    digest = hashlib.sha256()
    waiting: list[object] = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, torch.Tensor):
            digest.update(f"{item.dtype}{tuple(item.shape)}".encode())
            flat = item.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
        elif dataclasses.is_dataclass(item):
            digest.update(type(item).__name__.encode())
            waiting += [getattr(item, each.name) for each in dataclasses.fields(item)]
        elif isinstance(item, Mapping):
            waiting += [part for pair in sorted(item.items()) for part in pair]
        elif isinstance(item, (list, tuple)):
            digest.update(str(len(item)).encode())
            waiting += item
        else:
            digest.update(repr(item).encode())
        digest.update(b"|")
    return digest.hexdigest()
