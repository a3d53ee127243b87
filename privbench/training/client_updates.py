"""How a single sample changes the weights: updates of clients that hold one image, differentiable in it."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from privbench.core.task import Task


def gradients(module: nn.Module, task: Task, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The gradient of each sample's loss with respect to the module's parameters.

    Differentiable in ``images``. The module runs in the mode that it is in; batch statistics would mix
    samples, so that it should be evaluation mode.

    Args:
        module: the network.
        task: whose criterion is the loss.
        images: [N, C, H, W].
        labels: [N, ...].

    Returns:
        float32 [N, P], parameters flattened in the order of ``module.parameters()``.
    """
    return -local_changes(module, task, images, labels, steps=1, lr=1.0)


def local_changes(
    module: nn.Module, task: Task, images: torch.Tensor, labels: torch.Tensor, steps: int, lr: float
) -> torch.Tensor:
    """How each sample alone changes the weights by ``steps`` full steps of plain SGD: float32 [N, P].

    Differentiable in ``images``; other arguments are those of ``gradients``.
    """
    params = {name: value.detach() for name, value in module.named_parameters()}
    buffers = {name: value.detach() for name, value in module.named_buffers()}
    criterion = task.criterion(reduction="mean")

    def loss(weights: dict[str, torch.Tensor], image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        outputs = functional_call(module, {**weights, **buffers}, (image[None],))
        value: torch.Tensor = criterion(outputs, label[None])
        return value

    step = vmap(grad(loss))
    weights = {name: value.expand(len(images), *value.shape) for name, value in params.items()}
    for _ in range(steps):
        slopes = step(weights, images, labels)
        weights = {name: value - lr * slopes[name] for name, value in weights.items()}
    return torch.cat([(weights[name] - value).flatten(1) for name, value in params.items()], dim=1)
