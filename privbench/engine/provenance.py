"""What makes a figure checkable: hashes of code, versions, git state, device."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import platform
import subprocess
from functools import cache
from pathlib import Path

import privbench
from privbench.core.hashing import text_hash
from privbench.core.method import Method
from privbench.core.registry import PACKAGES

_LIBRARIES = ("torch", "torchvision", "numpy", "scikit-learn", "scikit-image", "scipy", "opacus")


@cache
def layer_hash(*layers: str) -> str:
    """Hash of all Python files of the package's ``layers``, e.g. ``core`` or ``training``."""
    root = Path(privbench.__file__).parent
    digest = hashlib.sha256()
    for layer in layers:
        files = [root / layer] if layer.endswith(".py") else sorted((root / layer).rglob("*.py"))
        for path in files:
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:32]


@cache
def _file_hash(path: Path) -> str:
    folder = path.parent
    helpers = sorted(folder.glob("_*.py")) if folder.is_relative_to(Path(privbench.__file__).parent) else []
    digest = hashlib.sha256()
    for file in [path, *helpers]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:32]


def method_hash(method: Method) -> str:
    """Hash of the file that defines ``method``, with the shared helper files beside it.

    A method from elsewhere may derive from any of the catalogue of its kind, which is hashed with it.
    """
    path = Path(inspect.getfile(type(method)))
    own = _file_hash(path)
    if path.is_relative_to(Path(privbench.__file__).parent):
        return own
    folder = PACKAGES[method.kind].removeprefix("privbench.").replace(".", "/")
    return text_hash(f"{own}|{layer_hash(folder)}")


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


def device_text(device: str) -> str:
    """The device in words: the GPU's name, or the CPU and its cores."""
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name(0))
    import joblib

    return f"cpu ({platform.machine()}, {joblib.cpu_count()} cores)"
