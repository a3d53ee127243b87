"""Hashes of text: names of what depends on it, short enough for a file's name."""

from __future__ import annotations

import hashlib


def text_hash(text: str, digits: int = 32) -> str:
    """SHA-256 of ``text``, its first ``digits`` hexadecimal digits (64 are all)."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
