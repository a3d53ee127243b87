"""The weights of many models of one kind as one matrix."""

from __future__ import annotations

import torch
from torch import nn
from torch.func import stack_module_state

from privbench.core.training import TrainingConfig
from privbench.training.st_adam import st_adam_directions


class WeightStack:
    """The weights of M models as one matrix [M, P], with functional optimisers on it."""

    def __init__(self, modules: list[nn.Module], config: TrainingConfig) -> None:
        params, self.buffers = stack_module_state(modules)
        self.config = config
        self.shapes = {name: value.shape for name, value in params.items()}
        self.sizes = [value[0].numel() for value in params.values()]
        self.weights = self.flatten({name: value.detach() for name, value in params.items()})
        self.first = torch.zeros_like(self.weights)
        self.second = torch.zeros_like(self.weights)
        self.steps = 0

    def flatten(self, values: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([values[name].flatten(1) for name in self.shapes], dim=1)

    def params(self) -> dict[str, torch.Tensor]:
        parts = torch.split(self.weights, self.sizes, dim=1)
        return {
            name: part.view(shape) for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def update(self, grads: dict[str, torch.Tensor], rates: torch.Tensor) -> None:
        """One optimiser step with a learning rate for each model."""
        gradient = self.flatten(grads).to(self.weights.dtype)
        if self.config.weight_decay:
            gradient.add_(self.weights, alpha=self.config.weight_decay)
        self.steps += 1
        self.weights.sub_(rates[:, None] * self._direction(gradient))

    def _direction(self, gradient: torch.Tensor) -> torch.Tensor:
        config = self.config
        if config.optimizer == "sgd":
            return self.first.mul_(config.momentum).add_(gradient)
        if config.optimizer == "st-adam":
            (direction,) = st_adam_directions(
                [self.first],
                [self.second],
                [gradient],
                beta=config.beta,
                gamma=config.gamma,
                eps=config.eps,
                eps_mode=config.eps_mode,
            )
            return direction
        self.first.lerp_(gradient, 1 - config.beta)
        self.second.mul_(config.gamma).addcmul_(gradient, gradient, value=1 - config.gamma)
        root = (self.second / (1 - config.gamma**self.steps)).sqrt_()
        return self.first / (1 - config.beta**self.steps) / root.add_(config.eps)
