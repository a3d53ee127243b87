"""What is to be trained: a job is data, so that any executor can run it anywhere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from privbench.core.method import Method
from privbench.core.task import Task


class TrainingConfig(BaseModel):
    """How a model is trained.

    ``augment`` shifts images by up to two pixels in training (with horizontal flips when
    ``flip``), on the device. ``schedule`` is the learning rate over all steps. ``min_steps`` is for
    few images: see ``for_size``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(30, ge=1)
    min_steps: int = Field(0, ge=0)
    batch_size: int = Field(64, ge=1)
    optimizer: Literal["sgd", "adam", "st-adam"] = "sgd"
    lr: float = Field(0.05, gt=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    beta: float = Field(0.9, ge=0, lt=1)
    gamma: float = Field(0.999, ge=0, lt=1)
    eps: float = Field(1e-8, gt=0)
    eps_mode: Literal["outside", "inside"] = "outside"
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup_steps: int = Field(0, ge=0)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    augment: bool = False
    flip: bool = False

    def for_size(self, count: int) -> TrainingConfig:
        """The configuration for ``count`` images: eight or more batches an epoch, ``min_steps`` in all.

        An epoch of a small dataset is so few steps that a fixed number of epochs would train nothing.
        Batches keep eight images or more, so that below 57 images there are fewer batches. The learning
        rate falls with the square root of the batch, as the noise of its gradient grows (Krizhevsky,
        One weird trick for parallelizing convolutional neural networks, 2014): at the full rate some
        networks diverge on a hundred images.
        """
        batch = min(self.batch_size, max(8, count // 8))
        epochs = max(self.epochs, math.ceil(self.min_steps / math.ceil(count / batch)))
        rate = self.lr * math.sqrt(batch / self.batch_size)
        return self.model_copy(update={"batch_size": batch, "epochs": epochs, "min_steps": 0, "lr": rate})


class PrivacySettings(BaseModel):
    """Differential privacy of a training run (Abadi et al. 2016): the budget, or the noise itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epsilon: float | None = Field(None, gt=0)
    noise_multiplier: float | None = Field(None, ge=0)
    delta: float = Field(1e-5, gt=0, lt=1)
    max_grad_norm: float = Field(1.0, gt=0)
    accountant: Literal["prv", "rdp"] = "prv"
    mode: Literal["hooks", "ghost"] = "hooks"


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One model to be trained.

    Attributes:
        model: the model's registry entry; its ``build(shape, outputs)`` makes the module.
        task: gives the loss.
        config: optimiser, schedule, epochs.
        images: float32 [V, N, C, H, W]; epoch e trains on version e modulo V.
        labels: [N, ...], what the task teaches.
        outputs: how many numbers the model gives for an image.
        seed: of initial weights, batch order and augmentation.
        privacy: trains with DP-SGD when given.
    """

    model: Method
    task: Task
    config: TrainingConfig
    images: torch.Tensor
    labels: torch.Tensor
    outputs: int
    seed: int
    privacy: PrivacySettings | None = None


@dataclass(frozen=True)
class TrainedModel:
    """A finished job.

    Attributes:
        weights: the state dict, on the CPU.
        losses: mean training loss of each epoch.
        seconds: processor time of the optimiser's steps, or wall time on CUDA.
        guarantee: epsilon, delta, sigma, sampling rate, steps, accountant, clipping norm of a
            private run; empty otherwise.
        warnings: of libraries while it was trained.
    """

    weights: dict[str, torch.Tensor]
    losses: tuple[float, ...]
    seconds: float
    guarantee: dict[str, float | str]
    warnings: tuple[str, ...] = ()
