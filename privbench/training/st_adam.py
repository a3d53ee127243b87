"""ST-Adam, the optimiser of VisualMixer."""

# The _foreach functions, one kernel over many tensors, are what torch.optim itself is made of.
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch

EpsMode = Literal["outside", "inside"]


def st_adam_directions(
    first: list[torch.Tensor],
    second: list[torch.Tensor],
    grads: list[torch.Tensor],
    *,
    beta: float,
    gamma: float,
    eps: float,
    eps_mode: EpsMode,
) -> list[torch.Tensor]:
    """Update both moments in place and return the directions m/denominator, one for each tensor.

    m = beta m + (1 - beta) g; v = gamma v + (1 - gamma) g^2; the denominator is sqrt(v) + eps
    (``outside``) or sqrt(v + eps) (``inside``).
    """
    torch._foreach_lerp_(first, grads, 1 - beta)
    torch._foreach_mul_(second, gamma)
    torch._foreach_addcmul_(second, grads, grads, value=1 - gamma)
    if eps_mode == "inside":
        denominators = torch._foreach_add(second, eps)
        torch._foreach_sqrt_(denominators)
    else:
        denominators = torch._foreach_sqrt(second)
        torch._foreach_add_(denominators, eps)
    return list(torch._foreach_div(first, denominators))


class STAdam(torch.optim.Optimizer):
    """Adam without bias correction: w -= lr m/denominator.

    For eps towards 0 its step is Adam's times (1 - beta^t)/sqrt(1 - gamma^t): with the defaults
    3.16 at t = 1, a peak of 6.57 at t = 12, and 1.26 at t = 1000. Compare it with an Adam that
    has a tuned learning rate and a warm-up. The update is printed with sqrt(v + eps), its proof
    with sqrt(v) + eps; ``eps_mode`` offers both. ``weight_decay`` is added to the gradient.

    Source: VisualMixer (VIM), NDSS 2024, ST-Adam. The constants are not given there.
    """

    def __init__(
        self,
        params: Iterable[torch.Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        *,
        beta: float = 0.9,
        gamma: float = 0.999,
        eps: float = 1e-8,
        eps_mode: EpsMode = "outside",
        weight_decay: float = 0.0,
    ) -> None:
        if eps_mode not in {"outside", "inside"}:
            raise ValueError(f"eps_mode={eps_mode!r} is not valid: choose 'outside' or 'inside'")
        if not (lr > 0 and eps > 0 and 0 <= beta < 1 and 0 <= gamma < 1 and weight_decay >= 0):
            raise ValueError("ST-Adam needs lr > 0, eps > 0, 0 <= beta, gamma < 1 and weight_decay >= 0")
        defaults = {
            "lr": lr,
            "beta": beta,
            "gamma": gamma,
            "eps": eps,
            "eps_mode": eps_mode,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the parameters that have gradients; ``closure`` recomputes the loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            for group in self.param_groups:
                self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return
        grads: list[torch.Tensor] = [p.grad for p in params]
        if group["weight_decay"]:
            grads = list(torch._foreach_add(grads, params, alpha=group["weight_decay"]))
        for p in params:
            if not self.state[p]:
                self.state[p]["first"] = torch.zeros_like(p)
                self.state[p]["second"] = torch.zeros_like(p)
        directions = st_adam_directions(
            [self.state[p]["first"] for p in params],
            [self.state[p]["second"] for p in params],
            grads,
            beta=group["beta"],
            gamma=group["gamma"],
            eps=group["eps"],
            eps_mode=group["eps_mode"],
        )
        torch._foreach_add_(params, directions, alpha=-group["lr"])
