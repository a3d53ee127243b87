"""Values as bytes between a process and its workers: tensors as plain arrays, foreign code with them.

Only what a process made itself, or a worker that it started, is read: unpickling runs code.
"""

from __future__ import annotations

import io
import marshal
import pickle
import sys
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import cloudpickle  # type: ignore[import-untyped]
import numpy as np
import torch

Packed = tuple[bytes, list[pickle.PickleBuffer]]


def pack(value: object) -> Packed:
    """``value`` as bytes and the contents of its arrays, which are not copied.

    Tensors arrive on the CPU, contiguous and without gradient: torch's own way would put them into
    files in shared memory. Classes and functions that a new process cannot import (of a file given
    by its path, of a notebook) travel as code.
    """
    file, buffers = io.BytesIO(), []  # type: ignore[var-annotated]
    _Pickler(file, protocol=5, buffer_callback=buffers.append).dump(value)
    return file.getvalue(), buffers


def unpack(packed: Packed) -> Any:
    """What ``pack`` packed in this process, its parent or its child."""
    content, buffers = packed
    return pickle.loads(content, buffers=buffers)  # noqa: S301


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, value: Any) -> Any:
        if type(value) is torch.Tensor:
            plain = value.detach().cpu().contiguous()
            return _tensor, (plain.reshape(-1).view(torch.uint8).numpy(), value.dtype, tuple(value.shape))
        if isinstance(value, CodeType):
            # cloudpickle drops the file's name, which says in a traceback where a method failed.
            return marshal.loads, (marshal.dumps(value),)
        if isinstance(value, (type, FunctionType)):
            _make_portable(value.__module__ or "")
        return super().reducer_override(value)


def _tensor(content: np.ndarray, dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    # Copied to where torch allocates, so that kernels find the alignment that they find elsewhere.
    return torch.tensor(content).view(dtype).reshape(shape)


@cache
def _make_portable(name: str) -> None:
    """Let the module's code travel with its values unless a new process finds the same module."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or name not in sys.modules:
        return
    # Not importlib.util.find_spec, which answers from the modules that this process has.
    specs = (finder.find_spec(top, None) for finder in sys.meta_path)
    spec = next(filter(None, specs), None)
    found = spec is not None and ("." in name or spec.origin == getattr(sys.modules[name], "__file__", None))
    if not found and name != "__main__":
        cloudpickle.register_pickle_by_value(sys.modules[name])
