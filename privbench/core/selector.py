"""Selectors: ``name[param=value,…]`` on the command line and as a row's name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from privbench.core.errors import UserError, shortened
from privbench.core.printable import is_printable

_LONGEST = 4096
# A path to a plugin may hold brackets; what follows its .py: may not.
_FORM = re.compile(r"(?P<name>(?:.*\.py:)?[^\[\]]+)(?:\[(?P<params>[^\[\]]*)\])?", re.DOTALL)


@dataclass(frozen=True)
class Selector:
    """A parsed selector: a method's ``name`` (or ``path.py:Class``) and its raw parameters."""

    name: str
    params: dict[str, str] = field(default_factory=dict)


def parse_selector(text: str) -> Selector:
    """Parse ``name``, ``name[a=1,b=x]``, ``prefix:PATH`` or ``./file.py:Class[a=1]``.

    >>> parse_selector("vim[window=7, key=fixed]")
    Selector(name='vim', params={'window': '7', 'key': 'fixed'})

    Raises:
        UserError: the text has another form, gives a parameter twice, is too long, or holds what cannot
            be shown.
    """
    require_plain(text)
    shown = shortened(text)
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UserError(f"cannot read {shown!r}. Write name or name[param=value,param=value].")
    params: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in (match["params"] or "").split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (equals and key and value):
            raise UserError(f"cannot read {shortened(part)!r} in {shown!r}. Write param=value.")
        if key in params:
            raise UserError(f"{shown!r} gives {shortened(key)!r} twice. Give it once.")
        params[key] = value
    return Selector(match["name"].strip(), params)


def require_plain(text: str) -> None:
    """Refuse what no selector is.

    Raises:
        UserError: the text is too long, or holds what cannot be shown.
    """
    shown = shortened(text)
    if len(text) > _LONGEST:
        raise UserError(f"cannot read {shown!r}: it has more than {_LONGEST:,} characters.")
    if not is_printable(text):
        raise UserError(
            f"cannot read {shown!r}: it holds control characters, or bytes that are no text. Rename the "
            "file, or write the selector with plain characters."
        )


def format_value(value: object) -> str:
    """A hyperparameter's value as a selector writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
