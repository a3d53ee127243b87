"""The processes that the server has forked and not yet seen end."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import socket
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from privbench.engine.executors._control import Request


@dataclass(frozen=True)
class Running:
    """A forked process: what was asked for, with a copy of its end of the channel, and its folder."""

    request: Request
    folder: str


class Processes:
    """Forks, kills, reaps; each process's life-line is watched by ``selector`` with its number as data."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """Hold none yet."""
        self._selector = selector
        self._running: dict[int, Running] = {}

    def fork(self, request: Request) -> str | None:
        """Fork a process that works in an empty folder of its own.

        Returns:
            The folder, in the new process; None here.
        """
        try:
            folder = tempfile.mkdtemp(prefix="", dir=Path.cwd())
            with warnings.catch_warnings():
                # Libraries' threads that wait for work (OpenBLAS's) end properly in a fork.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
        except OSError as error:
            say(request.life, error=f"cannot start a process for the attack: {error}")
            return None
        if not pid:
            return folder
        self._running[pid] = Running(request, folder)
        self._selector.register(request.life, selectors.EVENT_READ, pid)
        say(request.life, pid=pid)
        return None

    def forget(self) -> None:
        """Close, in a new process, what belongs to the others."""
        for running in self._running.values():
            running.request.life.close()
            running.request.channel.close()
        self._running.clear()

    def let_go(self, pid: int) -> None:
        """Kill a process whose life-line has closed."""
        self._selector.unregister(self._running[pid].request.life)
        _kill(pid)

    def reap(self) -> None:
        """Tell the ends of the processes that have ended, and kill what they left running."""
        while (ended := _ended()) is not None:
            pid, status = ended
            running = self._running.pop(pid, None)
            if running is None:
                continue
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            # The engine sees it also where a process that left the group still holds the other end.
            with contextlib.suppress(OSError):
                running.request.channel.shutdown(socket.SHUT_RDWR)
            running.request.channel.close()
            with contextlib.suppress(KeyError):
                self._selector.unregister(running.request.life)
            shutil.rmtree(running.folder, ignore_errors=True)
            code = os.waitstatus_to_exitcode(status)
            say(running.request.life, **({"code": code} if code >= 0 else {"signal": -code}))
            running.request.life.close()

    def sweep(self) -> bool:
        """Kill what left its group, while no attack runs that it could belong to (Linux).

        Returns:
            Whether there may be more to do.
        """
        if self._running:
            return True
        orphans = []
        with contextlib.suppress(OSError):
            orphans = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split()
            for pid in orphans:
                os.kill(int(pid), signal.SIGKILL)
        return bool(orphans)

    def kill_all(self) -> None:
        """Kill every process."""
        for pid in self._running:
            _kill(pid)


def say(life: socket.socket, **what: int | str) -> None:
    """Tell the engine something about one process, unless it no longer listens."""
    with contextlib.suppress(OSError):
        life.sendall(json.dumps(what).encode() + b"\n")


def _ended() -> tuple[int, int] | None:
    try:
        pid, status = os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return None
    return (pid, status) if pid else None


def _kill(pid: int) -> None:
    # Both: it may not have made its group yet.
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(OSError):
            kill(pid, signal.SIGKILL)
