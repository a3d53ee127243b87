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
from typing import Any, get_args

import torch
from opacus import PrivacyEngine
from opacus.validators import ModuleValidator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from privbench.core.errors import UserError
from privbench.core.method import Method
from privbench.core.seeds import derive_seed
from privbench.core.training import PrivacySettings, TrainedModel, TrainingJob
from privbench.training.accounting import noise_for_budget, quiet, spent
from privbench.training.augment import Augmentation
from privbench.training.loop import clock, final_weights, make_optimizer, prepare_module, set_rate
from privbench.training.plan import (
    batches_per_epoch,
    diverged,
    generator_for,
    learning_rates,
    total_steps,
)

Guarantee = dict[str, float | str]


def train_private(
    job: TrainingJob, device: torch.device, on_epoch: Callable[[int, int], None] | None = None
) -> TrainedModel:
    """Train one model with DP-SGD; ``loop.train`` calls this for jobs with ``privacy``.

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
    count, steps = len(job.labels), total_steps(job)
    sigma = _noise_multiplier(privacy, count, steps, job)
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
        _guarantee(privacy, engine.accountant.history),
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
    criterion = nn.CrossEntropyLoss(label_smoothing=job.config.label_smoothing)
    wrapped, optimizer, *ghost, loader = engine.make_private(
        module=module,
        optimizer=make_optimizer(job.config, module),
        criterion=criterion,
        data_loader=loader,
        noise_multiplier=sigma,
        max_grad_norm=privacy.max_grad_norm,
        noise_generator=torch.Generator(device).manual_seed(derive_seed(job.seed, "noise")),
        grad_sample_mode=privacy.mode,
    )
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

    return step, optimizer, loader.batch_sampler, engine


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


def _noise_multiplier(privacy: PrivacySettings, count: int, steps: int, job: TrainingJob) -> float:
    if privacy.delta >= 1 / count:
        raise UserError(
            f"delta={privacy.delta:g} is not below 1/N = {1 / count:.3g} for {count} training images, so "
            f"that publishing one of them whole would count as private. Try delta={0.1 / count:.1g}."
        )
    if (privacy.epsilon is None) == (privacy.noise_multiplier is None):
        raise UserError(
            "private training takes either epsilon (the budget) or noise_multiplier (the noise itself); "
            f"given: epsilon={privacy.epsilon}, noise_multiplier={privacy.noise_multiplier}."
        )
    if privacy.noise_multiplier is not None:
        return privacy.noise_multiplier
    assert privacy.epsilon is not None
    rate = 1 / batches_per_epoch(count, job.config.batch_size)
    return noise_for_budget(privacy.epsilon, privacy.delta, rate, steps, privacy.accountant)


def _guarantee(privacy: PrivacySettings, history: list[tuple[float, float, int]]) -> Guarantee:
    (sigma, rate, steps), *others = history
    assert not others
    epsilon, epsilon_rdp, accountant = spent(sigma, rate, steps, privacy.delta, privacy.accountant)
    return {
        "epsilon": epsilon,
        "epsilon_rdp": epsilon_rdp,
        "delta": privacy.delta,
        "sigma": float(sigma),
        "sampling_rate": rate,
        "steps": float(steps),
        "clipping_norm": privacy.max_grad_norm,
        "accountant": accountant,
        "mode": privacy.mode,
    }


def check_private(model: Method, module: nn.Module) -> None:
    """Refuse a module, built by ``model``, that has no per-sample gradients.

    Raises:
        UserError: the layer, and what to choose.
    """
    module.train()
    errors = _errors(module)
    if not errors:
        return
    leaves = [(name, part) for name, part in module.named_modules() if not list(part.children())]
    bad = [f"{name} is a {type(part).__name__}" for name, part in leaves if _errors(part)]
    why = f"layer {bad[0]}" if bad else str(errors[0]).partition(". ")[0]
    norm = type(model).model_fields.get("norm")
    advice = "a model without batch statistics (GroupNorm in place of BatchNorm)"
    if norm is not None and "group" in get_args(norm.annotation):
        advice = model.model_copy(update={"norm": "group"}).selector
    raise UserError(
        f"the model {model.selector!r} cannot be trained with DP-SGD, which needs each sample's gradient: "
        f"{why}. Choose {advice}."
    )


def _errors(module: nn.Module) -> list[Any]:
    return list(ModuleValidator.validate(module, strict=False))
