"""Selectors: ``name[param=value,…]`` on the command line and as a row's name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from privbench.core.errors import UserError
from privbench.core.paths import expanded, is_there

# A path to a plugin may hold brackets; what follows its .py: may not.
_FORM = re.compile(r"(?P<name>(?:.*\.py:)?[^\[\]]+)(?:\[(?P<params>[^\[\]]*)\])?", re.DOTALL)
_TAIL = re.compile(r"(?P<path>.+)\[(?P<params>[^\[\]]*=[^\[\]]*)\]", re.DOTALL)


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
        UserError: the text has another form, or gives a parameter twice.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise UserError(f"cannot read {text!r}. Write name or name[param=value,param=value].")
    return Selector(match["name"].strip(), _params(match["params"] or "", text))


def split_path(text: str) -> Selector:
    """Split ``PATH`` or ``PATH[param=value,…]``; brackets without ``=`` are part of the path.

    So are all where a file or folder of that very name exists.

    >>> split_path("photos[v2]"), split_path("photos[v2][size=32]")
    (Selector(name='photos[v2]', params={}), Selector(name='photos[v2]', params={'size': '32'}))

    Raises:
        UserError: a parameter has another form or is given twice.
    """
    match = _TAIL.fullmatch(text)
    if match is None or _exists(text):
        return Selector(text)
    return Selector(match["path"], _params(match["params"], text))


def _exists(text: str) -> bool:
    try:
        return is_there(expanded(text))
    except UserError:
        return False


def _params(inside: str, text: str) -> dict[str, str]:
    params: dict[str, str] = {}
    for part in filter(None, (piece.strip() for piece in inside.split(","))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not (equals and key and value):
            raise UserError(f"cannot read {part!r} in {text!r}. Write param=value.")
        if key in params:
            raise UserError(f"{text!r} gives {key!r} twice. Give it once.")
        params[key] = value
    return params


def format_value(value: object) -> str:
    """A hyperparameter's value as a selector writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
