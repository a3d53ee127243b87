"""What attacks print, shown on this process's standard error stream.

It goes through a pipe, since a descriptor of the user's own stream would tell an attack the log file's
path or let it type into the terminal, and since standard output may carry ``--json``.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import sys
import threading
from collections.abc import Iterator

_CONTROL = {
    code: f"\\x{code:02x}" for code in [*range(32), 127, *range(128, 160)] if chr(code) not in "\n\r\t"
}


class Output:
    """A pipe and the thread that empties it."""

    def __init__(self) -> None:
        """Open the pipe."""
        self._read, self._write = os.pipe()
        self._thread = threading.Thread(target=self._show, name="privbench-attack-output", daemon=True)

    @contextlib.contextmanager
    def written(self) -> Iterator[int]:
        """The end to write to, for a process that is started inside; closed here afterwards."""
        try:
            yield self._write
        finally:
            os.close(self._write)
            self._thread.start()

    def close(self) -> None:
        """Wait, for a second at most, until all that was printed has been shown."""
        self._thread.join(timeout=1)

    def _show(self) -> None:
        decoder = codecs.getincrementaldecoder("utf-8")(errors="backslashreplace")
        with open(self._read, "rb", buffering=0) as pipe:  # noqa: PTH123 - a descriptor
            while data := pipe.read(65536):
                # The stream that is the standard one now: tests and notebooks exchange it.
                with contextlib.suppress(OSError, ValueError, AttributeError):
                    # Control sequences could make a terminal show what privbench has not printed.
                    sys.stderr.write(decoder.decode(data).translate(_CONTROL))
                    sys.stderr.flush()
