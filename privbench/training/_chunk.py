"""One chunk of models, trained together step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, vmap

from privbench.core.training import TrainedModel, TrainingJob
from privbench.training._feed import FIELDS, Feed
from privbench.training._stack import WeightStack
from privbench.training.augment import Augmentation
from privbench.training.environment import clock
from privbench.training.modules import prepare_module
from privbench.training.plan import diverged
from privbench.training.precision import autocast, half_precision

BLOCK = 32
"""How many steps are planned on the CPU and moved to the device at once."""

Grads = Callable[..., tuple[dict[str, torch.Tensor], torch.Tensor]]


def gradients(module: nn.Module, job: TrainingJob, precision: torch.autocast) -> Grads:
    """The gradients and loss of every model: all arguments have a leading model axis.

    The modules run in ``precision``, the loss in the type of the samples' weights.
    """
    criterion = job.task.criterion(job.config.label_smoothing, reduction="none")

    def loss_of(
        params: dict[str, torch.Tensor],
        buffers: dict[str, torch.Tensor],
        images: torch.Tensor,
        labels: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        with precision:
            outputs = functional_call(module, {**params, **buffers}, (images,))
        losses: torch.Tensor = criterion(outputs.to(weights.dtype), labels)
        return (losses * weights).sum()

    batched: Grads = vmap(grad_and_value(loss_of), randomness="error")
    return batched


def train_chunk(jobs: list[TrainingJob], device: torch.device) -> list[TrainedModel]:
    """Train ``jobs`` of one kind together, all at once, and return their models in order.

    Raises:
        TrainingDiverged: a loss or a weight became NaN or infinite.
        torch.OutOfMemoryError: the device's memory does not hold so many.
    """
    modules = [prepare_module(job, device) for job in jobs]
    stack = WeightStack(modules, jobs[0].config)
    images, labels, feeds = _pool(jobs, device)
    dtype = images.dtype
    # vmap and float16 loss scaling do not go together.
    mixed = half_precision(device, dtype) != torch.float16
    step_gradients = gradients(modules[0], jobs[0], autocast(device, dtype if mixed else torch.float64))
    losses = []
    start = clock(device)
    width = max(feed.width for feed in feeds)
    for first in range(0, max(feed.steps for feed in feeds), BLOCK):
        table, rates, weights = (
            torch.stack(parts, dim=1).to(device, non_blocking=True)
            for parts in zip(*(feed.block(first, BLOCK, width) for feed in feeds), strict=True)
        )
        rates, weights = rates.to(dtype), weights.to(dtype)
        block = []
        for step in range(len(table)):
            row = table[step].reshape(-1, FIELDS)
            batch = images[row[:, 0]]
            if jobs[0].config.augment:
                batch = Augmentation(row[:, 2:4], row[:, 4].bool()).apply(batch)
            batch = batch.view(len(jobs), width, *batch.shape[1:])
            target = labels[row[:, 1]].view(len(jobs), width, *labels.shape[1:])
            grads, loss = step_gradients(stack.params(), stack.buffers, batch, target, weights[step])
            stack.update(grads, rates[step])
            block.append(loss)
        losses.append(torch.stack(block).double().cpu())
        for feed, values in zip(feeds, losses[-1].unbind(1), strict=True):
            bad = (~values[: max(0, feed.steps - first)].isfinite()).nonzero()
            if len(bad):
                raise diverged(feed.job, feed.epoch_of(first + int(bad[0])), float(values[bad[0]]))
    seconds = (clock(device) - start) / len(jobs)
    history = torch.cat(losses)
    names = list(modules[0].state_dict())
    state = {k: v.detach().cpu() for k, v in itertools.chain(stack.params().items(), stack.buffers.items())}
    models = []
    for number, feed in enumerate(feeds):
        weights_of = {name: state[name][number].clone() for name in names}
        if not all(bool(value.isfinite().all()) for value in weights_of.values()):
            raise diverged(feed.job, feed.job.config.epochs - 1, float("nan"))
        models.append(TrainedModel(weights_of, feed.epoch_losses(history[:, number]), seconds, {}))
    return models


def _pool(jobs: list[TrainingJob], device: torch.device) -> tuple[torch.Tensor, torch.Tensor, list[Feed]]:
    """All jobs' images [P, C, H, W] and labels [Q, ...] on the device, data that jobs share once."""
    images: dict[Hashable, tuple[int, torch.Tensor]] = {}
    labels: dict[Hashable, tuple[int, torch.Tensor]] = {}

    def place(known: dict[Hashable, tuple[int, torch.Tensor]], tensor: torch.Tensor) -> int:
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.device)
        if key not in known:
            known[key] = (sum(len(values) for _, values in known.values()), tensor)
        return known[key][0]

    feeds = [Feed(job, place(images, job.images.flatten(0, 1)), place(labels, job.labels)) for job in jobs]
    return (
        torch.cat([values.to(device) for _, values in images.values()]),
        torch.cat([values.to(device) for _, values in labels.values()]),
        feeds,
    )
