"""Processes for attacks, forked from a server that has imported torch and knows nothing of the run.

A new process costs about a hundredth of a second so, not the seconds that importing takes, and holds
no frame, tensor, descriptor, argument, environment variable or folder of the engine's. It runs with
the user's rights all the same: code that sets out to read other processes or the user's files can.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Self

from privbench.core.errors import PrivbenchError
from privbench.engine.executors._server_process import ServerProcess
from privbench.engine.executors.child import Child
from privbench.engine.executors.environment import import_path

LATER = (
    "sklearn.linear_model",
    "sklearn.pipeline",
    "sklearn.ensemble",
    "torch._dynamo",
    "torchvision",
)
"""What attacks import sooner or later: a module that is missing here is imported in each process.

scikit-learn takes 1 s with the scipy that it imports, ``torch._dynamo``, which the first of torch's
optimisers imports, 1 s, torchvision 0.1 s after it.
"""


class ForkServer:
    """A helper process that forks others; may be used by several threads."""

    def __init__(
        self, preload: Sequence[str] = (), path: Sequence[str] | None = None, later: Sequence[str] = LATER
    ) -> None:
        """Start nothing yet.

        Args:
            preload: modules that the server imports before it forks, in this order; they must not compute
                anything, as those of ``later``.
            later: modules that it imports after these, whenever nobody waits for a process.
            path: the import path of the server and its processes; ``import_path()`` where None.
        """
        self._preload, self._later = tuple(preload), tuple(later)
        self._path = None if path is None else tuple(path)
        self._lock = threading.Lock()
        self._running: ServerProcess | None = None

    def start(self) -> None:
        """Start the server unless it runs; does not wait for its imports, which take seconds.

        Raises:
            UserError: this system cannot fork.
        """
        with self._lock:
            self._started()

    def spawn(self, entry: str) -> Child:
        """Run ``entry`` in a new process; waits for the server's imports where they still go on.

        Args:
            entry: ``module:function``; called with a ``Channel``, imported in the new process.

        Raises:
            UserError: this system cannot fork.
            PrivbenchError: a module of ``preload`` cannot be imported, or there can be no new process.
        """
        for _ in range(2):
            with self._lock:
                child = self._started().spawn(entry)
                if child is not None:
                    return child
                self._stop()
        raise PrivbenchError(
            "the server that starts attacks' processes ended twice before it had started one. Its own "
            "messages are above; perhaps memory was short. --in-process runs attacks without it."
        )

    def close(self) -> None:
        """End the server and all its processes; what they printed has been shown when this returns."""
        with self._lock:
            self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _started(self) -> ServerProcess:
        if self._running is not None and self._running.process.poll() is not None:
            self._stop()
        if self._running is None:
            path = import_path() if self._path is None else self._path
            self._running = ServerProcess(self._preload, path, self._later)
        return self._running

    def _stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None
