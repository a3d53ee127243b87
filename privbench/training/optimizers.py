"""Optimisers from a training configuration."""

from __future__ import annotations

import torch
from torch import nn

from privbench.core.training import TrainingConfig
from privbench.training.st_adam import STAdam


def make_optimizer(config: TrainingConfig, module: nn.Module) -> torch.optim.Optimizer:
    """The optimiser that ``config`` names, over all of the module's parameters."""
    params = list(module.parameters())
    decay = config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(params, lr=config.lr, momentum=config.momentum, weight_decay=decay, fused=True)
    if config.optimizer == "adam":
        betas = (config.beta, config.gamma)
        return torch.optim.Adam(
            params, lr=config.lr, betas=betas, eps=config.eps, weight_decay=decay, fused=True
        )
    return STAdam(
        params,
        lr=config.lr,
        beta=config.beta,
        gamma=config.gamma,
        eps=config.eps,
        eps_mode=config.eps_mode,
        weight_decay=decay,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate
