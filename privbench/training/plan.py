"""What every way of training shares: batches, learning rates and checks of a job.

Everything random is drawn here, on the CPU, from the job's seed, so that one by one, in
processes or batched, on a CPU or a GPU, the same samples meet the same model in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from privbench.core.errors import DataError, TrainingDiverged
from privbench.core.seeds import derive_seed
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.training.augment import Augmentation


@dataclass(frozen=True)
class Epoch:
    """One pass over the data.

    Attributes:
        version: which version of the images is used.
        batches: int64 indices of each step's samples; together a permutation of all samples.
        augmentation: of every sample, by its index; None without augmentation.
    """

    version: int
    batches: tuple[torch.Tensor, ...]
    augmentation: Augmentation | None


def generator_for(job: TrainingJob, use: str) -> torch.Generator:
    """A CPU generator for one use of the job's seed."""
    return torch.Generator().manual_seed(derive_seed(job.seed, use))


def batches_per_epoch(count: int, batch_size: int) -> int:
    """How many batches of at most ``batch_size`` hold ``count`` samples."""
    return math.ceil(count / batch_size)


def epochs(job: TrainingJob) -> Iterator[Epoch]:
    """Plan every epoch of ``job``.

    An epoch is cut into batches whose sizes differ by at most one, so that no small last batch
    weighs its samples more (a last batch of one sample would also break batch normalisation).
    """
    count = len(job.labels)
    pieces = batches_per_epoch(count, job.config.batch_size)
    order = generator_for(job, "order")
    changes = generator_for(job, "augment")
    for number in range(job.config.epochs):
        permutation = torch.randperm(count, generator=order)
        augmentation = Augmentation.draw(count, job.config.flip, changes) if job.config.augment else None
        yield Epoch(number % len(job.images), torch.tensor_split(permutation, pieces), augmentation)


def total_steps(job: TrainingJob) -> int:
    """How many optimiser steps the job takes."""
    return job.config.epochs * batches_per_epoch(len(job.labels), job.config.batch_size)


def learning_rates(config: TrainingConfig, steps: int) -> list[float]:
    """The learning rate of each of ``steps`` steps.

    A linear warm-up to ``config.lr``, then constant or a half cosine that would reach 0 one step
    after the last.
    """
    warmup = config.warmup_steps
    rates = []
    for step in range(steps):
        factor = 1.0
        if step < warmup:
            factor = (step + 1) / warmup
        elif config.schedule == "cosine":
            factor = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
        rates.append(config.lr * factor)
    return rates


def check_job(job: TrainingJob) -> None:
    """Refuse data that cannot be trained on.

    Raises:
        DataError: wrong shapes or types, no samples, or labels or an augmentation that the task refuses.
    """
    images = job.images
    if images.dim() != 5 or not images.is_floating_point() or len(images) == 0:
        raise DataError(
            f"training images must be floats of shape [versions, N, C, H, W], "
            f"not {images.dtype} of {list(images.shape)}"
        )
    if images.shape[1] == 0:
        raise DataError("there are no training images. Use a larger dataset or split.")
    if job.config.augment and not job.task.augmentable:
        raise DataError(
            f"the labels of the task {job.task.selector!r} say where in an image something is, and would be "
            "wrong of images that augmentation moves. Train with augment=False."
        )
    job.task.check(job.labels, images.shape[1], job.outputs)


def diverged(job: TrainingJob, epoch: int, loss: float) -> TrainingDiverged:
    """The error for a loss, or weights, that became NaN or infinite in ``epoch`` (from 0)."""
    config = job.config
    return TrainingDiverged(
        f"training of {job.model.selector!r} diverged in epoch {epoch + 1} of {config.epochs}: "
        f"the mean loss is {loss} with {config.optimizer} at lr={config.lr:g}. "
        f"Try a lower lr (such as {config.lr / 10:g}), or warmup_steps={max(100, 2 * config.warmup_steps)}; "
        f"also make sure that the images are finite and in [0, 1]."
    )
