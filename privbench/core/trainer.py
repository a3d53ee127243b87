"""What a defense is fitted with: the run's model, task and budget, and a function that trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from privbench.core.model import Model
from privbench.core.task import Task
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob


def silent(done: int, total: int, text: str) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class Trainer:
    """The same for a deployment and for an adversary's shadows, but for the seeds.

    Attributes:
        task: what the model is taught.
        model: the run's model.
        config: how the run's models are trained; ``config.for_size(n)`` fits it to n samples.
        outputs: how many numbers the model gives.
        shape: (C, H, W) of the images.
        seed: of everything that is random in training.
        keys_seed: of the defense's keys.
        device: where to train.
        train: trains one job to its end.
        progress: call with (done, total, text) during long work of one's own.
    """

    task: Task
    model: Model
    config: TrainingConfig
    outputs: int
    shape: tuple[int, int, int]
    seed: int
    keys_seed: int
    device: torch.device
    train: Callable[[TrainingJob], TrainedModel]
    progress: Callable[[int, int, str], None] = field(default=silent)
