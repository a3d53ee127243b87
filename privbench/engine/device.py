"""The device of a run: CUDA where it is, else the CPU."""

from __future__ import annotations

import ctypes
from typing import Literal

from privbench.core.errors import UserError

DeviceName = Literal["auto", "cpu", "cuda"]


def cuda_devices() -> int:
    """How many NVIDIA GPUs the driver offers; asks the driver itself, so that torch stays unloaded."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def check_device(name: DeviceName) -> None:
    """Refuse ``cuda`` where there is none.

    Raises:
        UserError: CUDA was asked for and no GPU answers.
    """
    if name == "cuda" and cuda_devices() == 0:
        raise UserError(
            "--device cuda: no NVIDIA GPU answers on this machine. "
            "Use --device cpu, or --device auto to take a GPU only where there is one."
        )


def resolve_device(name: DeviceName) -> str:
    """``cuda`` or ``cpu`` for the asked device.

    Raises:
        UserError: CUDA was asked for and torch cannot use it.
    """
    check_device(name)
    if name == "cpu" or cuda_devices() == 0:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if name == "cuda":
        raise UserError(
            "--device cuda: there is a GPU, but this torch cannot use it. "
            "Install a CUDA build of torch that fits the driver, or use --device cpu."
        )
    return "cpu"
