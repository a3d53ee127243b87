"""Places in a suite's file, which messages start with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import cast

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.method import Kind, Method
from privbench.engine.selection import method_of


def place_of(file: str, table: str, number: int | None = None) -> str:
    """Where in ``file``: ``mine.toml, [[run]] 2``; numbers count from 0 in and from 1 out."""
    return f"{file}, [{table}]" if number is None else f"{file}, [[{table}]] {number + 1}"


@contextlib.contextmanager
def within(place: str) -> Iterator[None]:
    """Let errors of the user that come from inside start with ``place``."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def method_at(place: str, kind: str, text: str) -> Method:
    """The method of ``kind`` that the key ``kind`` at ``place`` names.

    Raises:
        UserError: there is none, or a parameter does not fit; the place is named.
    """
    with within(f"{place}, {kind}"):
        named = cast("Kind", kind)
        if kind in {"game", "metric"}:
            return registry.create(named, text)
        return method_of(named, text)
