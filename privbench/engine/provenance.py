"""What makes a figure checkable beside its key: versions, git state, device."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import privbench

_LIMITS = ("MKL_ENABLE_INSTRUCTIONS", "MKL_CBWR", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
_LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "scipy", "opacus")


@cache
def versions() -> dict[str, str]:
    """Versions of Python, privbench and the libraries that figures depend on."""
    found = {"python": platform.python_version(), "privbench": privbench.__version__}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@cache
def git_state() -> str:
    """The commit that privbench's files are at, ``+changes`` if edited; empty outside a checkout."""
    folder = Path(privbench.__file__).parent

    def ask(*words: str) -> str:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(folder), *words],  # noqa: S607
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        # A wheel may be installed below some other project's checkout.
        if not ask("ls-files", "--", "core/registry.py"):
            return ""
        commit = ask("rev-parse", "--short=12", "HEAD")
        return f"{commit}+changes" if ask("status", "--porcelain", "--", ".") else commit
    except (OSError, subprocess.TimeoutExpired):
        return ""


@cache
def instructions() -> str:
    """The instruction set that torch computes with on the CPU, such as ``AVX512``.

    Sums are rounded in another order with another one, so that models differ under the same seeds. What
    holds the libraries below torch to fewer instructions is named too.
    """
    import torch

    limits = sorted(f"{name}={os.environ[name]}" for name in _LIMITS if os.environ.get(name))
    return " ".join([torch.backends.cpu.get_cpu_capability(), *limits])


def device_text(device: str) -> str:
    """The device in words: the GPU's name, or the CPU and its cores."""
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name(0))
    import joblib

    return f"cpu ({platform.machine()}, {joblib.cpu_count()} cores)"
