"""Seeds derived from named axes: one root seed, one independent stream for each use."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def derive_seed(root: int, *axes: str | int) -> int:
    """Return a 63-bit seed for the stream named by ``axes`` under ``root``.

    Streams are independent for different axes (SHA-256), so that adding an attack, a shadow
    model or a metric never shifts the randomness of another part.

    >>> derive_seed(0, "shadow", 3) == derive_seed(0, "shadow", 3)
    True
    >>> derive_seed(0, "shadow", 3) == derive_seed(0, "shadow", 4)
    False
    """
    text = "\x1f".join([str(root), *(f"{type(axis).__name__}:{axis}" for axis in axes)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def seed_list(seeds: Iterable[int]) -> str:
    """Seeds as text: ``0, 1, 2``."""
    return ", ".join(map(str, seeds))
