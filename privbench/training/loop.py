"""The training loop of one model."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

from privbench.core.model import Model
from privbench.core.seeds import derive_seed
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob
from privbench.training.modules import build_module
from privbench.training.plan import check_job, diverged, epochs, learning_rates, total_steps
from privbench.training.st_adam import STAdam

OnEpoch = Callable[[int, int], None]


def train(job: TrainingJob, device: torch.device | str, on_epoch: OnEpoch | None = None) -> TrainedModel:
    """Train one model.

    The data stay on the device. A CPU trains on one thread, whatever the caller's setting, so
    that the same job gives the same bytes inline and in a worker process. CUDA trains in mixed
    precision and channels-last. Jobs with ``privacy`` train with DP-SGD.

    Args:
        job: what to train. float64 images train a float64 model (without mixed precision).
        device: where to train.
        on_epoch: called after each epoch with (epochs done, epochs in all).

    Raises:
        DataError: images or labels that cannot be trained on.
        UserError: privacy settings that cannot be met.
        TrainingDiverged: the loss or a weight became NaN or infinite.
    """
    check_job(job)
    device = torch.device(device)
    with one_thread(device), seeded(job.seed, device):
        if job.privacy is not None:
            from privbench.training.private import train_private

            return train_private(job, device, on_epoch)
        return _train(job, device, on_epoch)


def _train(job: TrainingJob, device: torch.device, on_epoch: OnEpoch | None) -> TrainedModel:
    config = job.config
    module = prepare_module(job, device)
    images, labels = job.images.to(device), job.labels.to(device)
    optimizer = make_optimizer(config, module)
    rates = iter(learning_rates(config, total_steps(job)))
    layout = memory_format(device)
    scaler = torch.amp.GradScaler(device.type, enabled=half_precision(device, images.dtype) == torch.float16)
    losses: list[float] = []
    # torch imports a second's worth of modules when the first optimiser of a process is first used.
    optimizer.zero_grad()
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
            with autocast(device, images.dtype):
                logits = module(batch.contiguous(memory_format=layout))
                loss = nn.functional.cross_entropy(
                    logits, labels[index], label_smoothing=config.label_smoothing
                )
            optimizer.zero_grad()
            torch.autograd.backward(scaler.scale(loss))
            set_rate(optimizer, next(rates))
            scaler.step(optimizer)
            scaler.update()
            total += loss.detach() * len(index)
        losses.append(float(total) / len(labels))
        if not math.isfinite(losses[-1]):
            raise diverged(job, number, losses[-1])
        if on_epoch is not None:
            on_epoch(number + 1, config.epochs)
    return TrainedModel(final_weights(job, module), tuple(losses), clock(device) - start, {})


def clock(device: torch.device) -> float:
    """Seconds on a clock to measure training by: the thread's processor time, or wall time on CUDA.

    Training on a CPU is one thread's work, whose processor time is what it costs however busy the
    machine is.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.thread_time()


def prepare_module(job: TrainingJob, device: torch.device) -> nn.Module:
    """The job's module with its initial weights, on the device, in the images' type."""
    assert isinstance(job.model, Model)
    shape = (job.images.shape[2], job.images.shape[3], job.images.shape[4])
    module = build_module(job.model, shape, job.classes, job.seed)
    return module.to(device, job.images.dtype).to(memory_format=memory_format(device))


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


def final_weights(job: TrainingJob, module: nn.Module) -> dict[str, torch.Tensor]:
    """The module's state dict on the CPU, contiguous and sharing nothing with the module.

    Raises:
        TrainingDiverged: a weight is NaN or infinite.
    """
    weights = {
        name: torch.empty(value.shape, dtype=value.dtype).copy_(value)
        for name, value in module.state_dict().items()
    }
    if not all(bool(value.isfinite().all()) for value in weights.values()):
        raise diverged(job, job.config.epochs - 1, math.nan)
    return weights


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels-last on CUDA, where convolutions run faster so."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def half_precision(device: torch.device, dtype: torch.dtype) -> torch.dtype | None:
    """The type for mixed precision: bfloat16 or float16 on CUDA for float32 images, else None."""
    if device.type != "cuda" or dtype != torch.float32:
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """The context in which a forward pass on ``device`` runs in mixed precision, if it can."""
    half = half_precision(device, dtype)
    # Weights are used once a pass, so that a cache of their casts has no use.
    return torch.autocast(
        device.type, dtype=half or torch.bfloat16, enabled=half is not None, cache_enabled=False
    )


@contextlib.contextmanager
def one_thread(device: torch.device) -> Iterator[None]:
    """Run CPU operations on one thread inside, and restore the caller's setting."""
    before = torch.get_num_threads()
    if device.type == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed torch's global state inside (dropout draws from it), and restore the caller's."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(derive_seed(seed, "forward"))
        if devices:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(derive_seed(seed, "forward"))
        yield
