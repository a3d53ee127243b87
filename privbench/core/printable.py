"""Text of unknown origin as text that can be shown: no escape sequences, nothing that cannot be encoded."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    # Control characters but for tab and line feed, marks that turn the direction of text, lone surrogates.
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""``text`` with what is not to be shown as it is written as escapes, such as ``\x1b``.

    >>> printable("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    return _UNSAFE.sub(_escaped, text)


def is_printable(text: str) -> bool:
    """Whether ``text`` is one line that can be shown as it is."""
    return _UNSAFE.search(text) is None and "\n" not in text and "\t" not in text


def one_line(text: str, most: int) -> str:
    """``text`` on one line, printable, at most ``most`` characters."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
