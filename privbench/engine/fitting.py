"""Fitting a defense, once for a deployment or many times for an adversary's shadow models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from privbench.core.defense import Defense, TrainingDefense
from privbench.core.images import LabelledImages
from privbench.core.model import Model
from privbench.core.seeds import derive_seed
from privbench.core.task import Task
from privbench.core.trainer import Trainer, silent
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob
from privbench.training.environment import one_thread
from privbench.training.many import train_many
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


def fit_shadows(
    defense: Defense,
    recipe: Recipe,
    data: LabelledImages,
    public: LabelledImages,
    seeds: Sequence[int],
    done: Callable[[int, TrainedModel], None],
) -> None:
    """Fit ``defense`` to a random half of ``data`` for each of ``seeds``.

    Defenses whose fit is one training are trained together; others on a CPU in as many processes as
    ``worker_count`` says, and one by one on CUDA. The models do not depend on which.

    Args:
        defense: the public algorithm.
        recipe: how models are taught.
        data: the shadows' pool.
        public: what a defense may use beside its data.
        seeds: of ``shadow_seeds``.
        done: called with the number of a seed and its model as soon as it is fitted; the order is that of
            finishing.
    """

    def half(seed: int) -> LabelledImages:
        return data[shadow_members(seed, len(data)).to(data.images.device)]

    if isinstance(defense, TrainingDefense) and type(defense).fit is TrainingDefense.fit:
        jobs = [defense.training_job(half(seed), public, _trainer(recipe, seed)) for seed in seeds]
        train_many(jobs, recipe.device, on_done=done)
        return
    tasks = [(defense, recipe, half(seed), public, seed) for seed in seeds]
    if recipe.device.type == "cpu" and len(tasks) > 1:
        from privbench.training.processes import run_in_processes, worker_count

        if worker_count() > 1:
            run_in_processes(_fit_shadow, tasks, done)
            return
    for number, task in enumerate(tasks):
        done(number, _fit_shadow(*task))


def _trainer(recipe: Recipe, seed: int) -> Trainer:
    return recipe.trainer(derive_seed(seed, "train"), training_keys(seed))


def _fit_shadow(
    defense: Defense, recipe: Recipe, half: LabelledImages, public: LabelledImages, seed: int
) -> TrainedModel:
    """Fit one shadow to its half; on one thread, so that it has the same bytes wherever it runs."""
    with one_thread(recipe.device):
        return defense.fit(half, public, _trainer(recipe, seed))
