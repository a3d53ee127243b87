"""The executor of a run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from privbench.engine.executors.guess import Executor


@contextlib.contextmanager
def executor(*, in_process: bool = False, timeout: float | None = None) -> Iterator[Executor]:
    """Attacks in processes of their own, or here; ended with the context."""
    chosen: Executor
    if in_process:
        from privbench.engine.executors.in_process import InProcess

        chosen = InProcess()
    else:
        from privbench.engine.executors.isolated import Isolated

        chosen = Isolated(timeout)
    try:
        yield chosen
    finally:
        chosen.close()
