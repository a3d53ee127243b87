"""The training loop of one model, without privacy."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from privbench.core.training import TrainedModel, TrainingJob
from privbench.training.environment import clock
from privbench.training.modules import final_weights, prepare_module
from privbench.training.optimizers import make_optimizer, set_rate
from privbench.training.plan import diverged, epochs, learning_rates, total_steps
from privbench.training.precision import autocast, half_precision, memory_format

OnEpoch = Callable[[int, int], None]


def train_plainly(job: TrainingJob, device: torch.device, on_epoch: OnEpoch | None = None) -> TrainedModel:
    """Train one model on batches as ``plan.epochs`` cuts them; ``train.train`` calls this.

    The loss is computed in the images' type, whatever the precision of the module.

    Raises:
        TrainingDiverged: the loss or a weight became NaN or infinite.
    """
    config = job.config
    module = prepare_module(job, device)
    criterion = job.task.criterion(config.label_smoothing)
    images, labels = job.images.to(device), job.labels.to(device)
    optimizer, parameters = make_optimizer(config, module), list(module.parameters())
    rates = iter(learning_rates(config, total_steps(job)))
    layout = memory_format(device)
    scaler = torch.amp.GradScaler(device.type, enabled=half_precision(device, images.dtype) == torch.float16)
    losses: list[float] = []
    cast = autocast(device, images.dtype)
    start = clock(device)
    for number, epoch in enumerate(epochs(job)):
        version = images[epoch.version]
        augmentation = epoch.augmentation.to(device) if epoch.augmentation else None
        # One transfer an epoch; the pieces are views.
        order = torch.cat(epoch.batches).to(device)
        total = torch.zeros((), device=device, dtype=torch.float64)
        for index in torch.split(order, [len(batch) for batch in epoch.batches]):
            batch = version[index]
            if augmentation is not None:
                batch = augmentation[index].apply(batch)
            with cast:
                outputs = module(batch.contiguous(memory_format=layout))
            loss = criterion(outputs.to(images.dtype), labels[index])
            for parameter in parameters:
                parameter.grad = None
            torch.autograd.backward(scaler.scale(loss))
            set_rate(optimizer, next(rates))
            scaler.step(optimizer)  # type: ignore[arg-type]
            scaler.update()
            total += loss.detach() * len(index)
        losses.append(float(total) / len(labels))
        if not math.isfinite(losses[-1]):
            raise diverged(job, number, losses[-1])
        if on_epoch is not None:
            on_epoch(number + 1, config.epochs)
    return TrainedModel(final_weights(job, module), tuple(losses), clock(device) - start, {})
