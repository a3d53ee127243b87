"""DP-SGD through Opacus: Poisson sampling, per-sample clipping, Gaussian noise, accounting.

The guarantee is for samples added or removed, and holds for the released weights. Opacus' secure
mode is off and the noise comes from the job's seed, so that runs can be repeated: a benchmark's
weights must not be released as private ones. The recorded training losses are not private.

Source: Abadi et al., Deep Learning with Differential Privacy, CCS 2016, algorithm 1; Li et al., ICLR
2022 (ghost clipping).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from opacus import PrivacyEngine
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from privbench.core.seeds import derive_seed
from privbench.core.training import PrivacySettings, TrainedModel, TrainingJob
from privbench.training.accounting import guarantee, noise_multiplier, quiet
from privbench.training.augment import Augmentation
from privbench.training.environment import clock
from privbench.training.modules import final_weights, prepare_module
from privbench.training.optimizers import make_torch_optimizer, set_rate
from privbench.training.per_sample import check_private
from privbench.training.plan import batches_per_epoch, diverged, generator_for, learning_rates, total_steps


def train_private(
    job: TrainingJob, device: torch.device, on_epoch: Callable[[int, int], None] | None = None
) -> TrainedModel:
    """Train one model with DP-SGD; ``train.train`` calls this for jobs with ``privacy``.

    An epoch is ceil(N / batch size) steps, each on a Poisson sample of rate 1/ceil(N / batch
    size). Clipped gradients are summed and divided by the expected batch size. No mixed precision.

    Returns:
        The model, with the guarantee: epsilon (of the chosen accountant; infinite without
        noise), epsilon_rdp, delta, sigma, sampling_rate, steps, clipping_norm, accountant, mode.

    Raises:
        UserError: not exactly one of epsilon and noise_multiplier, delta not below 1/N, a budget
            out of reach, or a module without per-sample gradients.
    """
    privacy = job.privacy
    assert privacy is not None
    sigma = noise_multiplier(privacy, len(job.labels), job.config.batch_size, total_steps(job))
    # Per-sample gradients are contiguous, and fused optimisers want weights and gradients alike.
    module = prepare_module(job, device).to(memory_format=torch.contiguous_format)
    check_private(job.model, module)
    with quiet():
        step, optimizer, sampler, engine = _make_private(job, privacy, sigma, module)
        start = clock(device)
        losses = _run(job, device, step, optimizer, sampler, on_epoch)
        seconds = clock(device) - start
    return TrainedModel(
        final_weights(job, module),
        losses,
        seconds,
        guarantee(privacy, engine.accountant.history),
    )


def _make_private(
    job: TrainingJob, privacy: PrivacySettings, sigma: float, module: nn.Module
) -> tuple[Callable[[torch.Tensor, torch.Tensor], torch.Tensor], Any, Any, PrivacyEngine]:
    """Attach Opacus: the gradient step, the optimiser, the Poisson sampler and the engine."""
    device = next(module.parameters()).device
    engine = PrivacyEngine(accountant=privacy.accountant, secure_mode=False)
    # The loader is never iterated, for it would collate sample by sample: only its sampler is.
    loader: DataLoader[Any] = DataLoader(
        TensorDataset(torch.empty(len(job.labels), 0)),
        batch_size=job.config.batch_size,
        generator=generator_for(job, "poisson"),
    )
    criterion = job.task.criterion(job.config.label_smoothing)
    wrapped, optimizer, *ghost, loader = engine.make_private(
        module=module,
        optimizer=make_torch_optimizer(job.config, module),
        criterion=criterion,
        data_loader=loader,
        noise_multiplier=sigma,
        max_grad_norm=privacy.max_grad_norm,
        noise_generator=torch.Generator(device).manual_seed(derive_seed(job.seed, "noise")),
        grad_sample_mode=privacy.mode,
    )
    # Opacus rounds these down, in floating point: 98 samples in 49 batches would be divided by 1, not 2,
    # and of 105 batches there would be 104, drawn at a rate of 1/105 and accounted at one of 1/104.
    batches = batches_per_epoch(len(job.labels), job.config.batch_size)
    optimizer.expected_batch_size = len(job.labels) / batches
    sampler: Any = loader.batch_sampler
    sampler.steps = batches
    optimizer.attach_step_hook(engine.accountant.get_optimizer_hook_fn(sample_rate=1 / batches))
    private_criterion = ghost[0] if ghost else criterion

    def step(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """One noisy step; returns the summed loss of the batch."""
        optimizer.zero_grad()
        total = torch.zeros((), device=device)
        if len(labels):
            loss = private_criterion(wrapped(images), labels)
            loss.backward()
            mean = loss.loss_per_sample.mean() if ghost else loss
            total = mean.detach() * len(labels)
        else:
            # A Poisson sample may be empty; its step adds noise alone, without a forward pass,
            # which not every module survives.
            for parameter in optimizer.params:
                if ghost:
                    parameter.grad = torch.zeros_like(parameter)
                else:
                    parameter.grad_sample = parameter.new_zeros((0, *parameter.shape))
        optimizer.step()
        return total

    return step, optimizer, sampler, engine


def _run(
    job: TrainingJob,
    device: torch.device,
    step: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    optimizer: Any,
    sampler: Any,
    on_epoch: Callable[[int, int], None] | None,
) -> tuple[float, ...]:
    config = job.config
    images, labels = job.images.to(device), job.labels.to(device)
    rates = iter(learning_rates(config, total_steps(job)))
    changes = generator_for(job, "augment")
    losses: list[float] = []
    for number in range(config.epochs):
        version = images[number % len(images)]
        augmentation = None
        if config.augment:
            augmentation = Augmentation.draw(len(labels), config.flip, changes).to(device)
        total, seen = torch.zeros((), device=device), 0
        for indices in sampler:
            index = torch.tensor(indices, dtype=torch.int64).to(device)
            batch = version[index] if augmentation is None else augmentation[index].apply(version[index])
            set_rate(optimizer, next(rates))
            total += step(batch, labels[index])
            seen += len(indices)
        losses.append(float(total) / max(seen, 1))
        if not math.isfinite(losses[-1]):
            raise diverged(job, number, losses[-1])
        if on_epoch is not None:
            on_epoch(number + 1, config.epochs)
    return tuple(losses)
