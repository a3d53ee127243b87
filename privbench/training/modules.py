"""Modules from registry entries: fresh ones from a seed, trained ones from their weights, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import nn

from privbench.core.defense import Defense
from privbench.core.errors import CorruptArtefact
from privbench.core.model import Model
from privbench.core.seeds import derive_seed
from privbench.core.training import TrainingJob
from privbench.training.plan import diverged
from privbench.training.precision import memory_format


def build_defended(
    defense: Defense, model: Model, shape: tuple[int, int, int], outputs: int, seed: int
) -> nn.Module:
    """Build the network that a deployment of ``defense`` serves; other arguments as ``build_module``."""
    return _built(lambda: defense.module(model, shape, outputs), seed)


def load_defended(
    defense: Defense,
    model: Model,
    shape: tuple[int, int, int],
    outputs: int,
    weights: Mapping[str, torch.Tensor],
    device: torch.device | str,
) -> nn.Module:
    """Build the network that a deployment of ``defense`` serves and fill it, as ``load_module`` does.

    ``weights`` may hold more tensors than the network has: a surface's own.
    """
    module = build_defended(defense, model, shape, outputs, seed=0)
    own = {name: weights[name] for name in module.state_dict() if name in weights}
    return _filled(module, own, device, f"the defense {defense.selector!r} with model {model.selector!r}")


def build_module(model: Model, shape: tuple[int, int, int], outputs: int, seed: int) -> nn.Module:
    """Build a module on the CPU whose initial weights depend on ``seed`` alone.

    Args:
        model: the registry entry.
        shape: (C, H, W) of the images.
        outputs: how many numbers the module gives for an image.
        seed: of the initial weights. The caller's random state is neither read nor changed.

    Returns:
        The module, in training mode.
    """
    return _built(lambda: model.build(shape, outputs), seed)


def load_module(
    model: Model,
    shape: tuple[int, int, int],
    outputs: int,
    weights: Mapping[str, torch.Tensor],
    device: torch.device | str,
) -> nn.Module:
    """Build a module, give it trained ``weights`` and set it to evaluation on ``device``.

    Args:
        model: the registry entry that the weights were trained with.
        shape: (C, H, W) of the images.
        outputs: how many numbers the module gives for an image.
        weights: the state dict; its floating type becomes the module's. It is copied.
        device: where the module will run.

    Raises:
        CorruptArtefact: the weights are not those of such a module.
    """
    module = build_module(model, shape, outputs, seed=0)
    what = f"the model {model.selector!r} for images of {shape} and {outputs} outputs"
    return _filled(module, weights, device, what)


def prepare_module(job: TrainingJob, device: torch.device) -> nn.Module:
    """The job's module with its initial weights, on the device, in the images' type."""
    assert isinstance(job.model, Model)
    shape = (job.images.shape[2], job.images.shape[3], job.images.shape[4])
    module = build_module(job.model, shape, job.outputs, job.seed)
    return module.to(device, job.images.dtype).to(memory_format=memory_format(device))


def final_weights(job: TrainingJob, module: nn.Module) -> dict[str, torch.Tensor]:
    """The module's state dict on the CPU, contiguous and sharing nothing with the module.

    Raises:
        TrainingDiverged: a weight is NaN or infinite.
    """
    weights = {
        name: torch.empty(value.shape, dtype=value.dtype).copy_(value)
        for name, value in module.state_dict().items()
    }
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise diverged(job, job.config.epochs - 1, math.nan)
    return weights


def _built(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also reseed CUDA's generators.
        torch.default_generator.manual_seed(derive_seed(seed, "weights"))
        return build().train()


def _filled(
    module: nn.Module, weights: Mapping[str, torch.Tensor], device: torch.device | str, what: str
) -> nn.Module:
    dtype = next((w.dtype for w in weights.values() if w.is_floating_point()), torch.float32)
    module = module.to(dtype=dtype)
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise CorruptArtefact(f"these weights do not fit {what}: {error}") from error
    return module.to(device).eval()
