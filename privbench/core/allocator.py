"""The C library's allocator, told to keep the memory that tensors free; standard library only."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT = 2**26


def keep_freed_memory() -> None:
    """Have glibc keep up to 64 MiB of freed memory instead of handing each large block back.

    By default every activation of a forward pass is mapped and unmapped anew, and the kernel clears
    its pages each time: half of the time of small networks' inference. Elsewhere than on glibc this
    does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _KEPT)
        mallopt(_M_TRIM_THRESHOLD, _KEPT)
