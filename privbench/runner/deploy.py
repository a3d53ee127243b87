"""Fitting a defense and putting its deployment together."""

from __future__ import annotations

from collections.abc import Callable

import torch

from privbench.core.defense import Defense
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.model import Model
from privbench.core.seeds import derive_seed
from privbench.core.threat import Surface
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob
from privbench.core.view import Deployment
from privbench.training.modules import load_module
from privbench.training.predict import log_probs

_CHUNK = 4096

Transform = Callable[[torch.Tensor, Keys], torch.Tensor]


def in_chunks(transform: Transform, images: torch.Tensor, keys: Keys) -> torch.Tensor:
    """Apply ``transform`` to chunks of images and keys; bounds the memory of large releases."""
    if len(images) <= _CHUNK:
        return transform(images, keys)
    starts = range(0, len(images), _CHUNK)
    return torch.cat([transform(images[i : i + _CHUNK], keys[i : i + _CHUNK]) for i in starts])


def protected(defense: Defense, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
    """The release of ``images`` under keys drawn from ``keys_seed``."""
    return in_chunks(defense.protect, images, defense.keys(keys_seed, len(images), images.device))


def model_inputs(defense: Defense, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
    """What the deployed model is given for ``images`` under keys drawn from ``keys_seed``."""
    return in_chunks(defense.model_inputs, images, defense.keys(keys_seed, len(images), images.device))


def query_seed(defense: Defense, keys_seed: int, query: int) -> int:
    """The seed of one query's keys: the defender's own where it reuses its key, else a new one."""
    return keys_seed if defense.reuses_key else derive_seed(keys_seed, "query", query)


def training_job(
    defense: Defense,
    model: Model,
    config: TrainingConfig,
    private: LabelledImages,
    public: LabelledImages,
    classes: int,
    seed: int,
    keys_seed: int,
) -> TrainingJob:
    """The training of the model that a deployment of ``defense`` serves.

    Version 0 of the training images is exactly what is released.
    """
    data = defense.training_set(private, public, seed)
    seeds = [keys_seed] + [derive_seed(keys_seed, "version", v) for v in range(1, defense.versions)]
    images = torch.stack([model_inputs(defense, data.images, s) for s in seeds])
    config = defense.training_config(config.fitted(len(data)))
    return TrainingJob(model, config, images, data.labels, classes, seed, defense.privacy(len(data)))


def deployment(
    defense: Defense,
    model: Model,
    trained: TrainedModel,
    shape: tuple[int, int, int],
    classes: int,
    keys_seed: int,
    device: torch.device,
) -> Deployment:
    """The surfaces of a fitted defense; they reference its model and key, never its data."""

    def scores(images: torch.Tensor, query: int) -> torch.Tensor:
        images = images.to(device)
        return log_probs(module, model_inputs(defense, images, query_seed(defense, keys_seed, query)))

    def protect(images: torch.Tensor, query: int) -> torch.Tensor:
        return protected(defense, images.to(device), query_seed(defense, keys_seed, query))

    def weights() -> torch.nn.Module:
        return load_module(model, shape, classes, trained.weights, device)

    module = weights()
    exposed = defense.surfaces
    return Deployment(
        exposed,
        scores if Surface.SCORES in exposed else None,
        protect if Surface.PROTECT in exposed else None,
        weights if Surface.WEIGHTS in exposed else None,
    )
