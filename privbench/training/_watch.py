"""Ending a training process with the process that started it; imports nothing slow."""

from __future__ import annotations

import os
import threading
import time


def leave_with(parent: int) -> None:
    """End this process within about a second of its parent's end.

    Args:
        parent: the parent's process number.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="privbench-parent-watch", daemon=True).start()
