"""The process that attacks' processes are forked from: it has imported, and has computed nothing.

It computes nothing because a process that was forked after OpenMP's threads have run waits for them
for ever, and holds nothing because what it holds every attack can read. Its end of each process's
life-line kills that process when it closes; when the engine is gone, the server kills all and leaves.

Imported before the import path is set, so the standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import selectors
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from privbench.core.allocator import keep_freed_memory
from privbench.engine.executors._control import Request, receive_config, receive_request
from privbench.engine.executors._guest import isolate, run
from privbench.engine.executors._processes import Processes, say

_PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Serve until the engine is gone; in each forked process, run its entry function."""
    keep_freed_memory()
    entry = Server().serve()
    if entry is not None:
        run(entry)
    os._exit(0)


class Server:
    """The control connection, which comes as the standard input, and the loop that waits on it."""

    def __init__(self) -> None:
        """Take the connection; become deaf to the terminal."""
        self._control = socket.socket(fileno=os.dup(0))
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.close(null)
        # Whole lines at once, also of a process that is killed later.
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self._wake, self._woken = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._processes = Processes(self._selector)

    def serve(self) -> str | None:
        """Fork a process for each request.

        Returns:
            In a forked process, the entry function's name; None in the server, when it is to end.
        """
        config = receive_config(self._control)
        sys.path[:] = config.path
        failure = _import_all([*config.preload, "privbench.engine.executors.wire"])
        # What is frozen is not looked at, hence not copied, when a forked process collects garbage.
        gc.collect()
        gc.freeze()
        self._watch()
        later = iter(config.later)
        idle = True
        while os.getppid() == config.engine:
            events = self._selector.select(timeout=0 if idle else 0.5)
            idle = not events and _import_next(later)
            for key, _ in events:
                if key.fileobj is self._wake:
                    self._wake.recv(4096)
                elif key.fileobj is not self._control:
                    self._processes.let_go(key.data)
                elif (request := receive_request(self._control)) is None:
                    self._leave()
                    return None
                elif failure:
                    say(request.life, error=failure)
                elif self._fork(request):
                    return request.entry
            self._processes.reap()
            self._processes.sweep()
        self._leave()
        return None

    def _watch(self) -> None:
        for end in (self._wake, self._woken):
            end.setblocking(False)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        if sys.platform == "linux":
            # Processes that left their group come back here when their parent ends.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for waited in (self._control, self._wake):
            self._selector.register(waited, selectors.EVENT_READ)

    def _fork(self, request: Request) -> bool:
        """Fork; True in the new process, which has left all of the server's behind."""
        server = os.getpid()
        folder = self._processes.fork(request)
        if folder is None:
            return False
        try:
            signal.set_wakeup_fd(-1)
            kept = request.channel.detach()
            # By their objects first: one that is left would close the channel's number later.
            for ours in (request.life, self._control, self._wake, self._woken, self._selector):
                ours.close()
            self._processes.forget()
            isolate(kept, folder, server)
        except BaseException:  # noqa: BLE001 - never two servers
            traceback.print_exc()
            os._exit(1)
        return True

    def _leave(self) -> None:
        self._processes.kill_all()
        deadline = time.monotonic() + 1
        while self._processes.sweep() and time.monotonic() < deadline:
            time.sleep(0.01)
            self._processes.reap()
        with contextlib.suppress(OSError):
            shutil.rmtree(Path.cwd(), ignore_errors=True)


def _import_next(modules: Iterator[str]) -> bool:
    """Import the next module; False where there is none left.

    One that cannot be imported fails in the processes that want it, where that is said.
    """
    for module in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(module)
        gc.freeze()
        return True
    return False


def _import_all(modules: list[str]) -> str | None:
    try:
        for module in modules:
            importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a module may raise anything; each request is told
        return f"cannot import {module}, which attacks' processes start with: {error!r}"
    return None
