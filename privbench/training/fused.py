"""SGD and Adam as torch.optim computes them with ``fused=True``, called as functions.

The classes of torch.optim import torch's compiler when the first of them is made, which takes each
process a second, and spend a twentieth of a small model's step on hooks that nothing here uses.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd


class Optimizer(Protocol):
    """What a training loop needs of an optimiser; a ``torch.optim.Optimizer`` has it too."""

    param_groups: list[dict[str, Any]]

    def step(self) -> object:
        """Update the parameters that have gradients."""
        ...


class Sgd:
    """``torch.optim.SGD`` with momentum and weight decay."""

    def __init__(
        self, params: Iterable[torch.Tensor], lr: float, *, momentum: float = 0.0, weight_decay: float = 0.0
    ) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(params), "lr": lr}]
        self._momentum, self._weight_decay = momentum, weight_decay
        self._momenta: dict[torch.Tensor, torch.Tensor | None] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters that have gradients."""
        (group,) = self.param_groups
        params = [p for p in group["params"] if p.grad is not None]
        momenta = [self._momenta.get(p) for p in params]
        sgd(
            params,
            [p.grad for p in params],
            momenta,
            fused=True,
            weight_decay=self._weight_decay,
            momentum=self._momentum,
            lr=group["lr"],
            dampening=0,
            nesterov=False,
            maximize=False,
        )
        self._momenta.update(zip(params, momenta, strict=True))


class Adam:
    """``torch.optim.Adam`` with weight decay added to the gradient."""

    def __init__(
        self,
        params: Iterable[torch.Tensor],
        lr: float,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.param_groups: list[dict[str, Any]] = [{"params": list(params), "lr": lr}]
        self._betas, self._eps, self._weight_decay = betas, eps, weight_decay
        self._state: dict[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        """Update the parameters that have gradients."""
        (group,) = self.param_groups
        params = [p for p in group["params"] if p.grad is not None]
        for p in params:
            if p not in self._state:
                steps = torch.zeros((), dtype=torch.float32, device=p.device)
                self._state[p] = (torch.zeros_like(p), torch.zeros_like(p), steps)
        states = [self._state[p] for p in params]
        adam(
            params,
            [p.grad for p in params],
            [first for first, _, _ in states],
            [second for _, second, _ in states],
            [],
            [steps for _, _, steps in states],
            fused=True,
            amsgrad=False,
            beta1=self._betas[0],
            beta2=self._betas[1],
            lr=group["lr"],
            weight_decay=self._weight_decay,
            eps=self._eps,
            maximize=False,
        )
