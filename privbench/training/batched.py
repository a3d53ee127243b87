"""Many models as one computation: ``torch.func.vmap`` over stacked weights.

Every model sees the batches, augmentation and learning rates that it would see alone. Models
that take fewer steps, or have a smaller batch in a step, are padded with samples of weight 0 and
steps of learning rate 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence

import torch
from torch import nn
from torch.func import stack_module_state

from privbench.core.training import TrainedModel, TrainingJob
from privbench.training._chunk import gradients, train_chunk
from privbench.training.environment import one_thread
from privbench.training.modules import prepare_module
from privbench.training.precision import autocast

Done = Callable[[int, TrainedModel], None]


def train_batched(jobs: Sequence[TrainingJob], device: torch.device, done: Done) -> list[int]:
    """Train together what can be; return the indices of the jobs that cannot.

    Jobs go together when model, task, configuration (up to the learning rate) and the shapes of
    images, labels and outputs agree. They train in one chunk, or in smaller ones where the device's
    memory does not hold it.
    DP-SGD, batch normalisation and whatever ``vmap`` refuses (dropout, a loss that
    branches on its data) are left to the caller.
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
    data = [(values.shape[axes:], values.dtype) for values, axes in ((job.images, 2), (job.labels, 1))]
    methods = [(type(method), method.selector) for method in (job.model, job.task)]
    return *methods, config, *data, job.outputs


def _vmappable(job: TrainingJob, device: torch.device) -> bool:
    module = prepare_module(job, device)
    if any(isinstance(part, nn.modules.batchnorm._NormBase) for part in module.modules()):  # noqa: SLF001
        return False
    params, buffers = stack_module_state([module, module])
    images = job.images[:, :1, :].reshape(-1, *job.images.shape[2:])[:1].to(device).expand(2, 2, -1, -1, -1)
    labels = job.labels[:1].to(device).expand(2, 2, *job.labels.shape[1:])
    weights = torch.full((2, 2), 0.5, dtype=images.dtype, device=device)
    try:
        gradients(module, job, autocast(device, images.dtype))(params, buffers, images, labels, weights)
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
            trained = train_chunk([job for _, job in chunk], device)
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
