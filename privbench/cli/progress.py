"""Progress on standard error: a live line on terminals, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from privbench.report.terminal import error_terminal

_PLAIN_SECONDS = 5.0
_REUSED_SECONDS = 0.05
_TELLING = 3
"""Cells after which there is an estimate of what is left."""


class Reporter:
    """Shows how far a run is: ``announce`` for cells, ``step`` for long work inside a cell."""

    def __init__(self, *, quiet: bool) -> None:
        self._console = error_terminal()
        self._quiet = quiet
        self._live: Progress | None = None
        self._last = 0.0
        self._began = time.monotonic()
        self._before = self._began
        self._worked = 0
        if not quiet and self._console.is_terminal:
            self._live = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(elapsed_when_finished=False),
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
        now = time.monotonic()
        # A cell that was there already takes no time, and tells nothing about the others.
        self._worked += done > 0 and now - self._before > _REUSED_SECONDS
        self._before = now
        if self._live:
            self._live.update(self._cells, completed=done, total=total, description=text or "done")
            self._live.update(self._inner, visible=False)
        elif not self._quiet and text:
            self._console.print(f"[{done + 1}/{total}] {text}{self._left(done, total)}", markup=False)

    def _left(self, done: int, total: int) -> str:
        if self._worked < _TELLING:
            return ""
        seconds = (time.monotonic() - self._began) / self._worked * (total - done)
        return f" (about {seconds / 60:.0f} min left)" if seconds > 90 else f" (about {seconds:.0f} s left)"

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
