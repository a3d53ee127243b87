"""Where a cell failed: the lines of code, told without the folders of the machine."""

from __future__ import annotations

import contextlib
import inspect
import re
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path

import privbench
from privbench.core.method import Method

_ROOT = Path(privbench.__file__).parent.parent
_KEPT = 20
_REMOTE_LINE = re.compile(r'^  File "(.+)", line (\d+), in (.+)$', re.MULTILINE)


def text_of(error: BaseException) -> str:
    """The error's text; what a plugin raises may fail to have one."""
    try:
        return str(error)
    except Exception:  # noqa: BLE001
        return "(an error whose text cannot be made)"


def described(error: BaseException) -> str:
    """``ValueError: too large``."""
    return f"{type(error).__name__}: {text_of(error)}"


def trace_of(error: BaseException, methods: Iterable[Method]) -> tuple[tuple[str, ...], str]:
    """Where ``error`` was raised.

    Returns:
        the innermost 20 places, the innermost last, each such as ``mine.py:12 in guess``; and the
        innermost one in the files of ``methods``, or at all where none is there.
    """
    frames = [
        (frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in traceback.walk_tb(error.__traceback__)
    ]
    # What a training process raises comes with its own traceback as text.
    remote = str(error.__cause__) if type(error.__cause__).__name__ == "_RemoteTraceback" else ""
    frames += [(file, int(line), name) for file, line, name in _REMOTE_LINE.findall(remote)]
    places = [f"{_short(file)}:{line} in {name}" for file, line, name in frames]
    files = {file for method in methods for file in _files(type(method))}
    own = [place for place, frame in zip(places, frames, strict=True) if frame[0] in files]
    return tuple(places[-_KEPT:]), (own or places or [""])[-1]


def _files(cls: type[Method]) -> Iterator[str]:
    """The files of a class as tracebacks name them, also where it was typed in or came as code."""
    with contextlib.suppress(TypeError, OSError):
        yield inspect.getfile(cls)
    for value in vars(cls).values():
        if inspect.isfunction(value):
            yield value.__code__.co_filename


def _short(file: str) -> str:
    """The file's name, with its folders below the package or below where libraries are installed."""
    path = Path(file)
    if path.is_relative_to(_ROOT / "privbench"):
        return path.relative_to(_ROOT).as_posix()
    folder, _, below = path.as_posix().rpartition("/site-packages/")
    return below if folder else path.name
