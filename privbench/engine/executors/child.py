"""A process that runs one attack, as the engine sees it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from privbench.core.errors import PrivbenchError
from privbench.engine.executors.errors import ChannelTimeout
from privbench.engine.executors.wire import Channel

_PATIENCE = 10.0


@dataclass(frozen=True)
class ExitStatus:
    """How a process ended; neither ``code`` nor ``signal`` where that was never learnt.

    Attributes:
        code: 0 where the entry function returned, 1 where it raised (``SystemExit`` too), any other
            where the process chose one itself. ``os._exit(0)`` looks like a return: whether there was
            an answer is known from the channel.
        signal: the number of the signal that ended it.
        asked: whether ``Child.kill`` had been called before.
    """

    code: int | None = None
    signal: int | None = None
    asked: bool = False

    def __str__(self) -> str:
        if self.code is not None:
            return f"exit code {self.code}"
        if self.signal is None:
            return "lost with the server process that had started it"
        try:
            name = f" ({signal.Signals(self.signal).name})"
        except ValueError:
            name = ""
        cause = ""
        if self.signal == signal.SIGKILL:
            cause = ", as the engine asked" if self.asked else ", perhaps for lack of memory"
        return f"killed by signal {self.signal}{name}{cause}"


class Child:
    """One process: its channel, its end. As a context manager it always kills and waits.

    Attributes:
        channel: the engine's end of the connection.
        pid: the process's number, which is also its group's and session's.
    """

    def __init__(self, channel: Channel, lifeline: Lifeline, pid: int) -> None:
        """Made by ``ForkServer.spawn``."""
        self.channel = channel
        self.pid = pid
        self._lifeline = lifeline
        self._status: ExitStatus | None = None
        self._asked = False

    def kill(self) -> None:
        """Have the process and all of its group killed; returns at once, ``wait`` tells when it is done."""
        if self._status is None:
            self._asked = True
            self._lifeline.let_go()

    def wait(self, timeout: float | None = None) -> ExitStatus:
        """Wait for the process's end and return how it ended.

        Raises:
            ChannelTimeout: it has not ended after ``timeout`` seconds.
        """
        if self._status is None:
            end = self._lifeline.read(timeout)
            if end is None:
                # The server died, and with it what would have killed the processes of the group.
                with contextlib.suppress(OSError):
                    os.killpg(self.pid, signal.SIGKILL)
            self._status = ExitStatus(**(end or {}), asked=self._asked)
            self._lifeline.close()
        return self._status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        try:
            self.wait(_PATIENCE)
        except ChannelTimeout as late:
            raise PrivbenchError(
                f"process {self.pid}, which ran an attack, did not end within {_PATIENCE:g} s of being "
                "killed. Look at it with ps; the machine may be out of memory or waiting for a disk."
            ) from late
        finally:
            self.channel.close()


class Lifeline:
    """A connection whose closing kills the process, and over which the server tells of its end.

    It closes by itself when the engine dies, however that happens.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Take over the engine's end."""
        self._socket = connection
        self._read = b""

    def read(self, timeout: float | None = None) -> dict[str, Any] | None:
        """What the server says next; None where it has gone.

        Raises:
            ChannelTimeout: it said nothing in ``timeout`` seconds.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while b"\n" not in self._read:
            try:
                self._socket.settimeout(None if deadline is None else max(0.0, deadline - time.monotonic()))
                more = self._socket.recv(4096)
            except (TimeoutError, BlockingIOError) as late:
                raise ChannelTimeout(f"the process has not ended after {timeout:g} s.") from late
            except OSError:
                more = b""
            if not more:
                return None
            self._read += more
        line, _, self._read = self._read.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said

    def let_go(self) -> None:
        """Have the process killed."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()
