"""Training jobs and trained models as messages hold them: JSON and tensors, no code."""

from __future__ import annotations

from typing import Any, cast

import torch

from privbench.core.errors import UserError
from privbench.core.method import Method
from privbench.core.model import Model
from privbench.core.task import Task
from privbench.core.training import PrivacySettings, TrainedModel, TrainingConfig, TrainingJob

Trainable = dict[tuple[str, str], Method]
"""Models and tasks by kind and selector: what a job may name."""


def jobs_out(jobs: list[TrainingJob]) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """Jobs as JSON and tensors; a tensor that several jobs share travels once."""
    tensors: dict[str, torch.Tensor] = {}
    names: dict[tuple[Any, ...], str] = {}

    def place(tensor: torch.Tensor) -> str:
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        if key not in names:
            names[key] = str(len(names))
            tensors[names[key]] = tensor
        return names[key]

    return [
        {
            "model": job.model.selector,
            "task": job.task.selector,
            "config": job.config.model_dump(mode="json"),
            "images": place(job.images),
            "labels": place(job.labels),
            "outputs": job.outputs,
            "seed": job.seed,
            "privacy": None if job.privacy is None else job.privacy.model_dump(mode="json"),
        }
        for job in jobs
    ], tensors


def jobs_in(
    described: list[dict[str, Any]], tensors: dict[str, torch.Tensor], trainable: Trainable
) -> list[TrainingJob]:
    """The jobs that ``jobs_out`` described.

    Raises:
        UserError: a job names a model or a task that the attack does not declare.
    """
    jobs = []
    for job in described:
        for kind in ("model", "task"):
            if (kind, job[kind]) not in trainable:
                known = sorted(selector for of, selector in trainable if of == kind)
                raise UserError(
                    f"the attack asks to train the {kind} {job[kind]!r}, which it does not declare. Return "
                    f"it from the attack's property `uses`; declared are: {', '.join(known)}."
                )
        privacy = job["privacy"]
        jobs.append(
            TrainingJob(
                model=cast("Model", trainable["model", job["model"]]),
                task=cast("Task", trainable["task", job["task"]]),
                config=TrainingConfig.model_validate(job["config"]),
                images=tensors[job["images"]],
                labels=tensors[job["labels"]],
                outputs=int(job["outputs"]),
                seed=int(job["seed"]),
                privacy=None if privacy is None else PrivacySettings.model_validate(privacy),
            )
        )
    return jobs


def trained_out(models: list[TrainedModel]) -> tuple[list[dict[str, Any]], dict[str, torch.Tensor]]:
    """Trained models as JSON and tensors."""
    described = [
        {
            "losses": list(m.losses),
            "seconds": m.seconds,
            "guarantee": dict(m.guarantee),
            "warnings": list(m.warnings),
        }
        for m in models
    ]
    tensors = {f"{k}/{name}": value for k, m in enumerate(models) for name, value in m.weights.items()}
    return described, tensors


def trained_in(described: list[dict[str, Any]], tensors: dict[str, torch.Tensor]) -> list[TrainedModel]:
    """The models that ``trained_out`` described."""
    weights: list[dict[str, torch.Tensor]] = [{} for _ in described]
    for place, tensor in tensors.items():
        number, _, name = place.partition("/")
        weights[int(number)][name] = tensor
    return [
        TrainedModel(w, tuple(d["losses"]), d["seconds"], d["guarantee"], tuple(d["warnings"]))
        for w, d in zip(weights, described, strict=True)
    ]
