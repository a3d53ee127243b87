"""Optimisers from a training configuration."""

from __future__ import annotations

import torch
from torch import nn

from privbench.core.training import TrainingConfig
from privbench.training import fused
from privbench.training.st_adam import STAdam


def make_optimizer(config: TrainingConfig, module: nn.Module) -> fused.Optimizer:
    """The optimiser that ``config`` names, over all of the module's parameters."""
    params = list(module.parameters())
    decay = config.weight_decay
    if config.optimizer == "sgd":
        return fused.Sgd(params, config.lr, momentum=config.momentum, weight_decay=decay)
    if config.optimizer == "adam":
        betas = (config.beta, config.gamma)
        return fused.Adam(params, config.lr, betas=betas, eps=config.eps, weight_decay=decay)
    return _st_adam(config, params)


def make_torch_optimizer(config: TrainingConfig, module: nn.Module) -> torch.optim.Optimizer:
    """The same optimiser as an object of torch.optim, for libraries that ask for one."""
    params = list(module.parameters())
    decay = config.weight_decay
    if config.optimizer == "sgd":
        return torch.optim.SGD(params, lr=config.lr, momentum=config.momentum, weight_decay=decay, fused=True)
    if config.optimizer == "adam":
        betas = (config.beta, config.gamma)
        return torch.optim.Adam(
            params, lr=config.lr, betas=betas, eps=config.eps, weight_decay=decay, fused=True
        )
    return _st_adam(config, params)


def set_rate(optimizer: fused.Optimizer, rate: float) -> None:
    """Set the learning rate of every parameter group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _st_adam(config: TrainingConfig, params: list[nn.Parameter]) -> STAdam:
    return STAdam(
        params,
        lr=config.lr,
        beta=config.beta,
        gamma=config.gamma,
        eps=config.eps,
        eps_mode=config.eps_mode,
        weight_decay=config.weight_decay,
    )
