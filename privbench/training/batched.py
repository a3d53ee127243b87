"""Many models as one computation: ``torch.func.vmap`` over stacked weights.

Every model sees the batches, augmentation and learning rates that it would see alone. Models
that take fewer steps, or have a smaller batch in a step, are padded with samples of weight 0 and
steps of learning rate 0.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob
from privbench.training._feed import FIELDS, Feed
from privbench.training.augment import Augmentation
from privbench.training.loop import autocast, clock, half_precision, one_thread, prepare_module
from privbench.training.plan import diverged
from privbench.training.st_adam import st_adam_directions

BLOCK = 32
"""How many steps are planned on the CPU and moved to the device at once."""

Done = Callable[[int, TrainedModel], None]
Grads = Callable[..., tuple[dict[str, torch.Tensor], torch.Tensor]]


def train_batched(jobs: Sequence[TrainingJob], device: torch.device, done: Done) -> list[int]:
    """Train together what can be; return the indices of the jobs that cannot.

    Jobs go together when model, configuration (up to the learning rate), image shape and classes
    agree. They train in one chunk, or in smaller ones where the device's memory does not hold it.
    DP-SGD, batch normalisation and whatever ``vmap`` refuses (dropout) are left to the caller.
    """
    groups: dict[Hashable, list[int]] = defaultdict(list)
    left = []
    for index, job in enumerate(jobs):
        if job.privacy is None:
            groups[_group(job)].append(index)
        else:
            left.append(index)
    for members in groups.values():
        with one_thread(device):
            if len(members) > 1 and _vmappable(jobs[members[0]], device):
                _train_group([(index, jobs[index]) for index in members], device, done)
            else:
                left += members
    return sorted(left)


def _group(job: TrainingJob) -> Hashable:
    config = job.config.model_copy(update={"lr": 1.0})
    return type(job.model), job.model.selector, config, job.images.shape[2:], job.images.dtype, job.classes


def _vmappable(job: TrainingJob, device: torch.device) -> bool:
    module = prepare_module(job, device)
    if any(isinstance(part, nn.modules.batchnorm._NormBase) for part in module.modules()):  # noqa: SLF001
        return False
    params, buffers = stack_module_state([module, module])
    images = job.images[:, :1, :].reshape(-1, *job.images.shape[2:])[:1].to(device).expand(2, 2, -1, -1, -1)
    labels = torch.zeros(2, 2, dtype=torch.int64, device=device)
    weights = torch.full((2, 2), 0.5, dtype=images.dtype, device=device)
    try:
        _gradients(module, job.config)(params, buffers, images, labels, weights)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, NotImplementedError):
        return False
    return True


def _train_group(members: list[tuple[int, TrainingJob]], device: torch.device, done: Done) -> None:
    size = len(members)
    while members:
        chunk = members[:size]
        try:
            trained = _train_chunk([job for _, job in chunk], device)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size = -(-size // 2)
        else:
            members = members[size:]
            for (index, _), model in zip(chunk, trained, strict=True):
                done(index, model)
            continue
        # Outside the handler, which keeps the failed frame's tensors alive.
        torch.cuda.empty_cache()


def _gradients(module: nn.Module, config: TrainingConfig) -> Grads:
    """The gradients and loss of every model: all arguments have a leading model axis."""

    def loss_of(
        params: dict[str, torch.Tensor],
        buffers: dict[str, torch.Tensor],
        images: torch.Tensor,
        labels: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        logits = functional_call(module, {**params, **buffers}, (images,))
        losses = nn.functional.cross_entropy(
            logits.to(weights.dtype), labels, reduction="none", label_smoothing=config.label_smoothing
        )
        return (losses * weights).sum()

    batched: Grads = vmap(grad_and_value(loss_of), randomness="error")
    return batched


class _Stack:
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


def _train_chunk(jobs: list[TrainingJob], device: torch.device) -> list[TrainedModel]:
    modules = [prepare_module(job, device) for job in jobs]
    stack = _Stack(modules, jobs[0].config)
    gradients = _gradients(modules[0], jobs[0].config)
    images, labels, feeds = _pool(jobs, device)
    dtype = images.dtype
    # vmap and float16 loss scaling do not go together.
    mixed = half_precision(device, dtype) != torch.float16
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
            target = labels[row[:, 1]].view(len(jobs), width)
            with autocast(device, dtype if mixed else torch.float64):
                grads, loss = gradients(stack.params(), stack.buffers, batch, target, weights[step])
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
    """All jobs' images [P, C, H, W] and labels [Q] on the device, data that jobs share once."""
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
