"""How a single sample changes the weights: updates of clients that hold one image, differentiable in it."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from privbench.core.task import Task

_FLOATS = 2**21


def clients_at_once(module: nn.Module) -> int:
    """How many updates to make together: few megabytes, so that several copies of them stay in caches."""
    return max(1, min(64, _FLOATS // max(1, sum(p.numel() for p in module.parameters()))))


def gradients(module: nn.Module, task: Task, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The gradient of each sample's loss with respect to the module's parameters.

    Differentiable in ``images``. The module runs in the mode that it is in; batch statistics would mix
    samples, so that it should be evaluation mode.

    Args:
        module: the network.
        task: whose criterion is the loss.
        images: [N, C, H, W], in the type of the module.
        labels: [N, ...].

    Returns:
        [N, P] in the type of the module, flattened in the order of ``module.parameters()``.
    """
    return local_changes(module, task, images, labels, steps=1, lr=-1.0)


def local_changes(
    module: nn.Module, task: Task, images: torch.Tensor, labels: torch.Tensor, steps: int, lr: float
) -> torch.Tensor:
    """How each sample alone changes the weights by ``steps`` full steps of plain SGD: [N, P].

    Differentiable in ``images``; other arguments are those of ``gradients``. The change is summed apart
    from the weights, whose size would round a small change away.
    """
    params = {name: value.detach() for name, value in module.named_parameters()}
    buffers = {name: value.detach() for name, value in module.named_buffers()}
    criterion = task.criterion(reduction="mean")

    def gain(weights: dict[str, torch.Tensor], image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        outputs = functional_call(module, {**weights, **buffers}, (image[None],))
        value: torch.Tensor = criterion(outputs, label[None])
        return -lr * value

    # All start at the same weights, whose convolutions are much cheaper than those of weights of one's own.
    change = vmap(grad(gain), in_dims=(None, 0, 0))(params, images, labels)
    step = vmap(grad(gain))
    for _ in range(steps - 1):
        moved = {name: value + change[name] for name, value in params.items()}
        further = step(moved, images, labels)
        change = {name: value + further[name] for name, value in change.items()}
    return torch.cat([change[name].flatten(1) for name in params], dim=1)
