"""Modules from registry entries: fresh ones from a seed, trained ones from their weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from privbench.core.errors import CorruptArtefact
from privbench.core.model import Model
from privbench.core.seeds import derive_seed


def build_module(model: Model, shape: tuple[int, int, int], classes: int, seed: int) -> nn.Module:
    """Build a module on the CPU whose initial weights depend on ``seed`` alone.

    Args:
        model: the registry entry.
        shape: (C, H, W) of the images.
        classes: how many classes the module tells apart.
        seed: of the initial weights. The caller's random state is neither read nor changed.

    Returns:
        The module, in training mode.
    """
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also reseed CUDA's generators.
        torch.default_generator.manual_seed(derive_seed(seed, "weights"))
        return model.build(shape, classes).train()


def load_module(
    model: Model,
    shape: tuple[int, int, int],
    classes: int,
    weights: Mapping[str, torch.Tensor],
    device: torch.device | str,
) -> nn.Module:
    """Build a module, give it trained ``weights`` and set it to evaluation on ``device``.

    Args:
        model: the registry entry that the weights were trained with.
        shape: (C, H, W) of the images.
        classes: how many classes the module tells apart.
        weights: the state dict; its floating type becomes the module's. It is copied.
        device: where the module will run.

    Raises:
        CorruptArtefact: the weights are not those of such a module.
    """
    module = build_module(model, shape, classes, seed=0)
    dtype = next((w.dtype for w in weights.values() if w.is_floating_point()), torch.float32)
    module = module.to(dtype=dtype)
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise CorruptArtefact(
            f"these weights do not fit the model {model.selector!r} for images of {shape} "
            f"and {classes} classes: {error}"
        ) from error
    return module.to(device).eval()
