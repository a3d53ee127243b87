"""The executor of a run."""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from privbench.engine.executors.guess import Executor

if TYPE_CHECKING:
    from privbench.engine.executors.forkserver import ForkServer


class _Shared:
    """The server that forks attacks' processes, kept between runs, since it takes seconds to start."""

    server: tuple[tuple[str, ...], ForkServer] | None = None


@contextlib.contextmanager
def executor(*, in_process: bool = False, timeout: float | None = None) -> Iterator[Executor]:
    """Attacks in processes of their own, or here."""
    if in_process:
        from privbench.engine.executors.in_process import InProcess

        yield InProcess()
    else:
        yield _isolated(timeout)


def _isolated(timeout: float | None) -> Executor:
    from privbench.engine.executors.environment import import_path
    from privbench.engine.executors.forkserver import ForkServer
    from privbench.engine.executors.isolated import PRELOADED, Isolated

    path = tuple(import_path())
    kept = _Shared.server
    if kept is None or kept[0] != path:
        if kept is not None:
            kept[1].close()
            atexit.unregister(kept[1].close)
        _Shared.server = kept = (path, ForkServer(PRELOADED, path))
        atexit.register(kept[1].close)
    return Isolated(kept[1], timeout)
