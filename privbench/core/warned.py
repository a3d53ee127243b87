"""Warnings of libraries: kept off the terminal, and told as remarks on what was computed."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from privbench.core.printable import one_line

WARNED = "warned"
"""How remarks on a record begin that say what libraries warned of."""
_MOST, _LONGEST = 10, 200


@contextlib.contextmanager
def heard() -> Iterator[Heard]:
    """Show no warning that is raised inside, and keep what they say.

    Which warnings count is as the filters say; those that say ``error`` still raise.
    """
    with warnings.catch_warnings(record=True) as caught:
        yield Heard(caught)


@dataclass(frozen=True)
class Heard:
    """The warnings so far."""

    caught: list[warnings.WarningMessage]

    def texts(self) -> tuple[str, ...]:
        """What they say, each kind once."""
        return once(f"{each.category.__name__}: {each.message}".partition("\n")[0] for each in self.caught)


def once(texts: Iterable[str]) -> tuple[str, ...]:
    """Different ``texts``, ten at most, each one line of at most 200 characters."""
    return tuple(dict.fromkeys(one_line(text, _LONGEST) for text in texts))[:_MOST]
