"""What the engine hands to an attack's process: objects as pickled code and data, tensors beside them.

It travels from the engine to its own child over their socket, never the other way: what the child
sends is read as JSON and raw tensors (``wire``).
"""

from __future__ import annotations

import io
import pickle
import sys
from collections.abc import Iterable, Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import torch

from privbench.core.method import Method
from privbench.core.plugin_files import loaded_files


class _Packer(cloudpickle.Pickler):  # type: ignore[misc]
    """Leaves tensors out, under numbers."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.tensors: dict[str, torch.Tensor] = {}

    def persistent_id(self, value: object) -> tuple[str, str] | None:
        """The number of a tensor and its device; None for everything else."""
        if type(value) is not torch.Tensor or value.layout is not torch.strided:
            return None
        name = str(len(self.tensors))
        self.tensors[name] = value
        return name, value.device.type


class _Unpacker(pickle.Unpickler):
    """Puts tensors in again."""

    def __init__(self, content: bytes, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__(io.BytesIO(content))
        self._tensors = tensors

    def persistent_load(self, number: Any) -> torch.Tensor:
        """The tensor of that number, on its device."""
        name, device = number
        return self._tensors[name].to(device)


def packed(
    content: object, methods: Iterable[Method], path: Sequence[str]
) -> tuple[bytes, dict[str, torch.Tensor]]:
    """``content`` as bytes and tensors.

    Args:
        content: what to send.
        methods: whose classes the other side needs; where it cannot import them, they travel as code.
        path: the other side's import path.
    """
    for method in methods:
        for cls in type(method).__mro__:
            _make_portable(cls.__module__, path)
    file = io.BytesIO()
    packer = _Packer(file)
    packer.dump(content)
    return file.getvalue(), packer.tensors


def unpacked(content: bytes, tensors: dict[str, torch.Tensor]) -> Any:
    """What ``packed`` was given; only for what this process's own engine sent."""
    return _Unpacker(content, tensors).load()


def plugin_files(methods: Iterable[Method]) -> list[str]:
    """The files at paths that ``methods`` come from; the other side loads them before it unpacks.

    No others that were loaded here: one may have gone or been broken since.
    """
    modules = {cls.__module__ for method in methods for cls in type(method).__mro__}
    origins = {getattr(sys.modules.get(name), "__file__", None) for name in modules}
    return [str(path) for path in loaded_files() if str(path) in origins]


def _make_portable(name: str, path: Sequence[str]) -> None:
    """Let a module's classes travel as code unless the other side finds the same module."""
    module = sys.modules.get(name)
    origin = getattr(module, "__file__", None)
    if module is None or name == "__main__" or origin is None or Path(origin) in loaded_files():
        return
    if name in sys.builtin_module_names or name.partition(".")[0] in {"privbench", "pydantic", "abc"}:
        return
    if PathFinder.find_spec(name.partition(".")[0], list(path)) is None:
        cloudpickle.register_pickle_by_value(module)
