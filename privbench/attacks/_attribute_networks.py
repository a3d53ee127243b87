"""Networks that read attributes off released images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import cast

import torch

from privbench.attacks._linear import Answer
from privbench.core.errors import TrainingDiverged
from privbench.core.method import Method
from privbench.core.model import Model
from privbench.core.scale import by_scale
from privbench.core.task import Task
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.core.view import AdversaryView
from privbench.games.attribute import AttributeChallenge


def attribute_networks(
    view: AdversaryView,
    challenge: AttributeChallenge,
    versions: torch.Tensor,
    chosen: Mapping[int, tuple[torch.Tensor, int]],
    methods: tuple[Method, ...],
    epochs: int | None,
) -> dict[int, Answer]:
    """A network for each of the ``chosen`` targets; training losses go to the log, as ``loss-NAME``.

    Args:
        view: which trains them, and whose log it is.
        challenge: names the targets and says how many values each has.
        versions: [V, N, C, H, W], released images, taken in turns.
        chosen: number of a target -> its values for the N images, and for how many times the epochs.
        methods: the model and the task.
        epochs: passes over the images, by scale if None.

    Raises:
        TrainingDiverged: a network diverged at a tenth of the learning rate too.
    """
    from privbench.training.modules import load_module

    if not chosen:
        return {}
    model, task = cast("tuple[Model, Task]", methods)
    by_default, least_steps = by_scale(view.scale, (4, 0), (60, 500), (90, 0))
    config = TrainingConfig(epochs=epochs or by_default, min_steps=0 if epochs else least_steps)
    config = config.for_size(versions.shape[1])
    jobs = [
        TrainingJob(
            model=model,
            task=task,
            config=config.model_copy(update={"epochs": config.epochs * times}),
            images=versions,
            labels=values,
            outputs=challenge.cardinalities[t],
            seed=view.seed("network", challenge.targets[t]),
        )
        for t, (values, times) in chosen.items()
    ]
    try:
        networks = view.train(jobs, "attribute classifiers")
    except TrainingDiverged:
        # An adversary would try again, gently; giving up would pass for a strong defense.
        gentle = {"lr": config.lr / 10}
        jobs = [replace(job, config=job.config.model_copy(update=gentle)) for job in jobs]
        networks = view.train(jobs, "attribute classifiers")
    shape = (versions.shape[2], versions.shape[3], versions.shape[4])
    answers: dict[int, Answer] = {}
    for t, trained in zip(chosen, networks, strict=True):
        view.log[f"loss-{challenge.targets[t]}"] = list(trained.losses)
        module = load_module(model, shape, challenge.cardinalities[t], trained.weights, view.device)
        answers[t] = partial(_likeliest, module, task)
    return answers


def _likeliest(network: torch.nn.Module, task: Task, images: torch.Tensor) -> torch.Tensor:
    from privbench.training.predict import answers

    return answers(network, images, task).argmax(-1).cpu()
