"""The one process that attacks' processes are forked from: starting it, asking it, ending it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from privbench.core.errors import PrivbenchError, UserError
from privbench.engine.executors._control import Request, send_config, send_request
from privbench.engine.executors._output import Output
from privbench.engine.executors.child import Child, Lifeline
from privbench.engine.executors.environment import clean_environment, package_home
from privbench.engine.executors.errors import ChannelTimeout
from privbench.engine.executors.wire import Channel

_BOOTSTRAP = (
    "import sys; sys.path.insert(0, sys.argv[1]); import privbench.engine.executors._server as s; s.main()"
)

# Seconds for its imports, from the slowest of disks.
_PATIENCE = 300


class ServerProcess:
    """The server, as the engine sees it: its process, its control connection, its folder."""

    def __init__(self, preload: Sequence[str], path: Sequence[str], later: Sequence[str] = ()) -> None:
        """Start it; it imports ``preload``, then ``later``, from ``path`` while the caller goes on.

        Raises:
            UserError: this system cannot fork.
        """
        if sys.platform == "win32" or not hasattr(os, "fork") or not sys.executable:
            raise UserError(
                "attacks run in processes of their own, which this system cannot fork. Use --in-process, "
                "which marks the records, or run on Linux or macOS."
            )
        self._folder = tempfile.mkdtemp(prefix="guess-")
        self._control, theirs = socket.socketpair()
        self._output = Output()
        with theirs, self._output.written() as output:
            self.process = subprocess.Popen(  # noqa: S603 - this Python, this package
                [sys.executable, "-P", "-c", _BOOTSTRAP, package_home()],
                stdin=theirs.fileno(),
                stdout=output,
                stderr=output,
                env=clean_environment(os.environ),
                cwd=self._folder,
                start_new_session=True,
            )
        # Where it has ended already, the first request finds out.
        with contextlib.suppress(OSError):
            send_config(self._control, preload, path, later)

    def spawn(self, entry: str) -> Child | None:
        """A new process; None where the server has died or no longer answers.

        Raises:
            PrivbenchError: the server cannot start one.
        """
        ours, channel = socket.socketpair()
        life, theirs = socket.socketpair()
        lifeline = Lifeline(life)
        answer: dict[str, Any] | None = None
        try:
            with channel, theirs:
                send_request(self._control, Request(entry, channel, theirs))
            answer = lifeline.read(_PATIENCE)
        except (OSError, ChannelTimeout):
            pass
        finally:
            if answer is None or "pid" not in answer:
                ours.close()
                lifeline.close()
        if answer is None:
            return None
        if "error" in answer:
            raise PrivbenchError(answer["error"])
        return Child(Channel(ours), lifeline, answer["pid"])

    def stop(self) -> None:
        """End the server, which ends its processes."""
        # Shut down, since a forked copy of this process may hold the connection too.
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        try:
            self.process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._output.close()
        shutil.rmtree(self._folder, ignore_errors=True)
