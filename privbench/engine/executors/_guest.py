"""What a newly forked process does: leave everything behind, run the entry function, end.

Imported by the server before anything else, so the standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import importlib
import os
import resource
import signal
import socket
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import NoReturn

RETURNED = 0
RAISED = 1

_CHANNEL = 3
_PR_SET_PDEATHSIG = 1


def isolate(channel: int, folder: str, server: int) -> None:
    """Make this process one of its own that holds its standard streams and a channel alone.

    Args:
        channel: descriptor of the channel; it becomes number 3.
        folder: empty folder to work in.
        server: process number of the server, with which this process ends.
    """
    os.setsid()
    leave_with(server)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if channel != _CHANNEL:
        os.dup2(channel, _CHANNEL)
    os.set_inheritable(_CHANNEL, False)
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 - numbers, not paths
        if int(name) > _CHANNEL:
            with contextlib.suppress(OSError):
                os.close(int(name))
    os.chdir(folder)
    # What a killed attack leaves behind goes with its folder.
    os.environ["TMPDIR"] = folder
    tempfile.tempdir = None
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        # The kernel, when it runs out of memory, takes the guess and not the run.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    sys.argv = [""]
    sys.modules["__main__"] = ModuleType("__main__")
    faulthandler.enable()


def leave_with(parent: int) -> None:
    """End this process when its parent does: at once on Linux, within about a second elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:

        def watch() -> None:
            while os.getppid() == parent:
                time.sleep(0.5)
            os.killpg(0, signal.SIGKILL)

        threading.Thread(target=watch, name="privbench-parent-watch", daemon=True).start()
    if os.getppid() != parent:
        os._exit(RAISED)


def run(entry: str) -> NoReturn:
    """Call ``module:function`` with the channel and end the process without any clean-up.

    Exits with ``RETURNED`` or, after a traceback on the standard error stream, with ``RAISED``.
    """
    code = RAISED
    try:
        from privbench.engine.executors.wire import Channel

        module, _, name = entry.partition(":")
        function = getattr(importlib.import_module(module), name)
        function(Channel(socket.socket(fileno=_CHANNEL)))
        code = RETURNED
    except BaseException:  # noqa: BLE001 - whatever an attack raises ends here
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
