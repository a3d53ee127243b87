"""Taps intermediate features of a built module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from privbench.core.errors import unknown


def capture(module: torch.nn.Module, images: torch.Tensor, layers: Sequence[str]) -> dict[str, torch.Tensor]:
    """Run ``module`` once and return the outputs of the submodules named ``layers``.

    Gradients flow as the caller's context allows, the module's mode is left as it is, and no hook
    stays behind, also after an error.

    Args:
        module: a module that some ``Model.build`` made.
        images: float32 [N, C, H, W] on the module's device.
        layers: names as ``named_modules`` gives them; see ``Model.feature_layers``.

    Returns:
        name -> output [N, ...], in the order of ``layers``.

    Raises:
        UserError: the module has no submodule of that name.
    """
    parts = dict(module.named_modules())
    found: dict[str, torch.Tensor] = {}
    for name in layers:
        if name not in parts or not name:
            raise unknown("layer", name, [known for known in parts if known])

    def keep(name: str, _module: torch.nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        found[name] = output

    taps: dict[str, Callable[..., None]] = {name: partial(keep, name) for name in layers}
    handles = [parts[name].register_forward_hook(tap) for name, tap in taps.items()]
    try:
        module(images)
    finally:
        for handle in handles:
            handle.remove()
    return {name: found[name] for name in layers}
