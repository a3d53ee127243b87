"""Ctrl-C: one line, exit code 130 and no traceback, whenever and however often it is pressed.

Imports next to nothing, so that it is in place before the slow imports begin.
"""

from __future__ import annotations

import atexit
import os
import signal
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

CODE = 130
_LINE = "privbench: interrupted. Finished results are kept; run the same command again to continue.\n"
_CLEAR = "\r\x1b[2K\x1b[?25h"
"""Empties a terminal's line, on which progress may stand, and shows the cursor that progress hides."""

_PATIENCE = 3.0
"""Seconds that cleaning up may take before another Ctrl-C ends the process as it is."""


class _State:
    pressed_at: float | None = None
    said = False


def watch() -> None:
    """From now on the first Ctrl-C raises ``KeyboardInterrupt``, and the next ones do not disturb."""
    # Where the caller ignores it (nohup, a shell's background job), it stays ignored.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _handle)
        # Registered first, so run last: the interpreter's own end is not to be disturbed either.
        atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)


def close() -> None:
    """From now on nothing is left to catch the exception: it is not raised any more."""
    if _State.pressed_at is None:
        _State.pressed_at = time.monotonic()


def say() -> None:
    """Tell the user, once."""
    if _State.said:
        return
    _State.said = True
    # To the descriptor, since a stream's buffer may be in use where the signal arrives.
    with suppress(OSError):
        os.write(2, ((_CLEAR if os.isatty(2) else "") + _LINE).encode())


def leave() -> NoReturn:
    """Tell the user and end at once; the training processes notice that their parent is gone."""
    say()
    os._exit(CODE)


def _handle(_number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    # Imports turn the exception into others, and have nothing to clean up.
    if _importing(frame) or (_State.pressed_at is not None and now > _State.pressed_at + _PATIENCE):
        leave()
    if _State.pressed_at is None:
        _State.pressed_at = now
        raise KeyboardInterrupt


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False
