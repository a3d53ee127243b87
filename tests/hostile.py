"""Seeded mutations of files: bytes that were damaged, and JSON that was forged."""

from __future__ import annotations

import json
import random
from typing import Any

ODD: list[Any] = [
    None, True, -1, 0, 2**63, 1e308, "", "x", "\x1b[2J", "\udc80", "../../x", [], {}, [[]], {"a": {}}, [1, "a"],
]  # fmt: skip


def damaged(content: bytes, rng: random.Random) -> bytes:
    """``content`` with one random damage."""
    data = bytearray(content)
    at = rng.randrange(len(data)) if data else 0
    match rng.randrange(7):
        case 0 if data:
            data[at] ^= 1 << rng.randrange(8)
        case 1:
            del data[at:]
        case 2:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        case 3:
            del data[at : at + rng.randrange(1, 64)]
        case 4:
            other = rng.randrange(len(data)) if data else 0
            data[at : at + 8] = data[other : other + 8]
        case 5:
            data[:8] = rng.choice([2**63 - 1, 2**40, 0, len(data)]).to_bytes(8, "little")
        case _:
            data[at:at] = rng.choice(
                [b"[" * 100_000, b"\xff\xfe", b"\x00" * 64, b"1" * 5000, b'{"a":' * 2000]
            )
    return bytes(data)


def forged(value: Any, rng: random.Random) -> Any:
    """``value``, made of JSON, with one part of it replaced, taken away or added."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        name = rng.choice(sorted(value))
        match rng.randrange(8):
            case 0:
                return {n: v for n, v in value.items() if n != name}
            case 1:
                return {**value, rng.choice(["", "extra", "\udc80"]): rng.choice(ODD)}
            case _:
                return {**value, name: forged(value[name], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = rng.randrange(len(value))
        return [*value[:at], forged(value[at], rng), *value[at + 1 :]]
    if isinstance(value, float) and rng.random() < 0.5:
        return rng.choice([value * 1e300, -value, value + 1e-9, 0.0])
    return rng.choice(ODD)


def text_of(value: Any) -> bytes:
    """JSON, also of what is not to be written, such as lone surrogates."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def sentence(error: Exception, *parts: str, most: int = 3000) -> str:
    """The text of an error, which must be one line that can be shown and holds ``parts``."""
    text = str(error)
    assert text.strip()
    assert "\n" not in text, text
    assert len(text) < most, text
    for part in parts:
        assert part in text, text
    return text
