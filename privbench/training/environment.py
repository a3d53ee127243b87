"""What surrounds a training: threads, random state and the clock."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import torch

from privbench.core.seeds import derive_seed


def clock(device: torch.device) -> float:
    """Seconds on a clock to measure training by: the thread's processor time, or wall time on CUDA.

    Training on a CPU is one thread's work, whose processor time is what it costs however busy the
    machine is.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.thread_time()


@contextlib.contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Run CPU operations on one thread inside, and restore the caller's setting."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global state inside (dropout draws from it), and restore the caller's."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(derive_seed(seed, "forward"))
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(derive_seed(seed, "forward"))
        yield
