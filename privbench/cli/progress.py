"""Progress on standard error: a live line on terminals, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from privbench.report.terminal import error_terminal

_PLAIN_SECONDS = 5.0


class Reporter:
    """Shows how far a run is: ``announce`` for cells, ``step`` for long work inside a cell."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = error_terminal()
        self._quiet = quiet
        self._live: Progress | None = None
        self._last = 0.0
        if not quiet and self._console.is_terminal:
            self._live = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
            )
            self._cells = self._live.add_task("cells", total=None)
            self._inner = self._live.add_task("", total=None, visible=False)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def announce(self, done: int, total: int, text: str) -> None:
        """A cell is about to start."""
        if self._live:
            self._live.update(self._cells, completed=done, total=total, description=text or "done")
            self._live.update(self._inner, visible=False)
        elif not self._quiet and text:
            self._console.print(f"[{done + 1}/{total}] {text}", markup=False)

    def step(self, done: int, total: int, text: str) -> None:
        """Some long work inside the cell has come this far."""
        if self._live:
            self._live.update(self._inner, completed=done, total=total, description=f"  {text}", visible=True)
        elif not self._quiet and (now := time.monotonic()) - self._last > _PLAIN_SECONDS:
            self._last = now
            self._console.print(f"    {text}: {done}/{total}", markup=False)

    def warn(self, text: str) -> None:
        """Say something that must be seen, quiet or not."""
        self._console.print(f"privbench: warning: {text}", markup=False, soft_wrap=True)
