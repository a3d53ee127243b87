"""Fitting a defense and putting its deployment together."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from privbench.core.defense import Defense
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.model import Model
from privbench.core.seeds import derive_seed
from privbench.core.threat import Surface
from privbench.core.training import TrainedModel, TrainingConfig, TrainingJob
from privbench.core.view import Deployment
from privbench.tasks.classes import Classes
from privbench.training.modules import load_module
from privbench.training.predict import answers

TASK = Classes()
_CHUNK = 4096
_ROUNDING = 1e-4
"""How far rounding may carry an image beyond [0, 1]."""

Transform = Callable[[torch.Tensor, Keys], torch.Tensor]


def in_chunks(transform: Transform, images: torch.Tensor, keys: Keys) -> torch.Tensor:
    """Apply ``transform`` to chunks of images and keys; bounds the memory of large releases."""
    if len(images) <= _CHUNK:
        return transform(images, keys)
    starts = range(0, len(images), _CHUNK)
    return torch.cat([transform(images[i : i + _CHUNK], keys[i : i + _CHUNK]) for i in starts])


def protected(defense: Defense, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
    """The release of ``images`` under keys drawn from ``keys_seed`` by the defense's key policy.

    Raises:
        UserError: the defense does not return images of that shape and type, in [0, 1].
    """
    return protected_under(defense, images, defense.keys(keys_seed, len(images), images.device))


def protected_under(defense: Defense, images: torch.Tensor, keys: Keys) -> torch.Tensor:
    """The release of ``images`` under ``keys``; raises as ``protected`` does."""
    made = in_chunks(defense.protect, images, keys)
    return _checked(defense, "protect", made, images, bounded=True)


def model_inputs(defense: Defense, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
    """What the deployed model is given for ``images`` under keys drawn from ``keys_seed``.

    Raises:
        UserError: the defense does not return finite values of that shape and type.
    """
    if type(defense).model_inputs is Defense.model_inputs:
        return protected(defense, images, keys_seed)
    made = in_chunks(defense.model_inputs, images, defense.keys(keys_seed, len(images), images.device))
    return _checked(defense, "model_inputs", made, images, bounded=False)


def _checked(
    defense: Defense, method: str, made: object, images: torch.Tensor, *, bounded: bool
) -> torch.Tensor:
    """Return ``made`` if it fits ``images``; else the model or its training would get the blame."""
    expected = f"{images.dtype} {tuple(images.shape)} on {images.device}"
    if not isinstance(made, torch.Tensor):
        raise _broken(defense, method, f"a {type(made).__name__}", expected)
    got = f"{made.dtype} {tuple(made.shape)} on {made.device}"
    if got != expected:
        raise _broken(defense, method, got, expected)
    low, high = _extent(made)
    # An adversary may query with values that are no image, for which the defense is not to blame.
    if not math.isfinite(low + high) and math.isfinite(sum(_extent(images))):
        raise _broken(defense, method, "NaN or infinite values", "finite ones")
    if bounded and not _in_range(low, high) and _in_range(*_extent(images)):
        raise _broken(defense, method, f"values from {low:.4g} to {high:.4g}", "values from 0 to 1")
    return made


def _extent(values: torch.Tensor) -> tuple[float, float]:
    """The least and the greatest value; NaN if there is one."""
    if not values.numel():
        return 0.0, 0.0
    low, high = values.detach().aminmax()
    return float(low), float(high)


def _in_range(low: float, high: float) -> bool:
    return low >= -_ROUNDING and high <= 1 + _ROUNDING


def _broken(defense: Defense, method: str, got: str, expected: str) -> UserError:
    return UserError(f"defense {defense.selector!r}: {method} returned {got}; expected {expected}.")


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
    config = defense.training_config(config.for_size(len(data)))
    return TrainingJob(
        model=model,
        task=TASK,
        config=config,
        images=images,
        labels=TASK.labels(data),
        outputs=classes,
        seed=seed,
        privacy=defense.privacy(len(data)),
    )


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
        inputs = model_inputs(defense, images, query_seed(defense, keys_seed, query))
        return answers(module, inputs, TASK)

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
