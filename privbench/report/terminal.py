"""The terminal: what is printed there holds no control sequences but those of its own style."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from privbench.core.printable import printable


class Terminal(Console):
    """A console that shows control characters of what it prints as escapes.

    Names, docstrings, reasons and paths come from plugins, records and folders of other people.
    """

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of ``renderable``, their texts printable."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def terminal(**options: Any) -> Terminal:
    """Standard output."""
    return Terminal(**{"highlight": False, **options})


def error_terminal(**options: Any) -> Terminal:
    """Standard error."""
    return Terminal(**{"stderr": True, "highlight": False, **options})
