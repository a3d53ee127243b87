"""Fitting a defense, once for a deployment or many times for an adversary's shadow models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from privbench.core.defense import Defense, TrainingDefense
from privbench.core.images import LabelledImages
from privbench.core.model import Model
from privbench.core.seeds import derive_seed
from privbench.core.task import Task
from privbench.core.trainer import Trainer, silent
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob
from privbench.core.warned import heard, once
from privbench.training.environment import one_thread
from privbench.training.train import train

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Recipe:
    """How models of a run are taught: what target, shadows and the plain model have in common."""

    task: Task
    model: Model
    config: TrainingConfig
    outputs: int
    shape: tuple[int, int, int]
    device: torch.device

    def trainer(self, seed: int, keys_seed: int, progress: Progress = silent, text: str = "model") -> Trainer:
        """A trainer with seeds of its own."""

        def one(job: TrainingJob) -> TrainedModel:
            return train(job, self.device, on_epoch=lambda done, total: progress(done, total, text))

        return Trainer(
            self.task,
            self.model,
            self.config,
            self.outputs,
            self.shape,
            seed,
            keys_seed,
            self.device,
            one,
            progress,
        )


def shadow_seeds(root: int, count: int) -> list[int]:
    """A seed for each shadow; the k-th is the same whatever attack asks for it."""
    return [derive_seed(root, "shadow", k) for k in range(count)]


def shadow_members(seed: int, count: int) -> torch.Tensor:
    """Which of ``count`` samples the shadow trains on, bool [count]: independent coin flips."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "membership"))
    return torch.rand(count, generator=generator) < 0.5


def training_keys(seed: int) -> int:
    """The seed of the keys under which a shadow was trained."""
    return derive_seed(seed, "keys")


@dataclass(frozen=True)
class Fit:
    """One fit that is to be made.

    Attributes:
        private: the data that the defense protects, of which it gets the ``members``.
        members: bool [N]; None for all.
        public: what it may use beside its data.
        seed: of its training.
        keys_seed: of its keys.
    """

    defense: Defense
    private: LabelledImages
    public: LabelledImages
    seed: int
    keys_seed: int
    members: torch.Tensor | None = None

    @property
    def data(self) -> LabelledImages:
        """What is fitted to."""
        if self.members is None:
            return self.private
        return self.private[self.members.to(self.private.images.device)]

    def size(self) -> int:
        """Bytes of the images that training holds, about."""
        share = 1.0 if self.members is None else float(self.members.double().mean())
        versions = self.defense.versions if isinstance(self.defense, TrainingDefense) else 1
        return int(self.private.images.nbytes * share * versions)


def shadow_fit(defense: Defense, pool: LabelledImages, public: LabelledImages, seed: int) -> Fit:
    """The fit to a random half of ``pool``; ``seed`` is one of ``shadow_seeds``."""
    members = shadow_members(seed, len(pool))
    return Fit(defense, pool, public, derive_seed(seed, "train"), training_keys(seed), members)


def fit_one(fit: Fit, recipe: Recipe, progress: Progress = silent) -> TrainedModel:
    """Make one fit; on a CPU on one thread, so that it has the same bytes wherever it runs."""
    trainer = recipe.trainer(fit.seed, fit.keys_seed, progress, "target model")
    with heard() as warned, one_thread(recipe.device):
        trained = fit.defense.fit(fit.data, fit.public, trainer)
    return replace(trained, warnings=once([*trained.warnings, *warned.texts()]))
