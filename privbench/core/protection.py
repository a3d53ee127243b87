"""Running a defense's own functions on images, with checks of what they return."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, TypeAlias

import torch

from privbench.core.errors import UserError
from privbench.core.keys import Keys
from privbench.core.seeds import derive_seed

_CHUNK = 4096
_ROUNDING = 1e-4
"""How far rounding may carry an image beyond [0, 1]."""

Transform: TypeAlias = "Callable[[torch.Tensor, Keys], torch.Tensor]"


class Protecting(Protocol):
    """What is run here of a defense; ``core.defense.Defense`` has it."""

    @property
    def selector(self) -> str:
        """Its name, with parameters."""
        ...

    @property
    def reuses_key(self) -> bool:
        """Whether more than one image is protected under one key."""
        ...

    @property
    def feeds_releases(self) -> bool:
        """Whether the deployed model is given exactly what is released."""
        ...

    def keys(self, seed: int, count: int, device: torch.device | str = "cpu") -> Keys:
        """Keys by its policy."""
        ...

    def model_inputs(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """What the deployed model is given."""
        ...


def in_chunks(transform: Transform, images: torch.Tensor, keys: Keys) -> torch.Tensor:
    """Apply ``transform`` to chunks of images and keys; bounds the memory of large releases."""
    if len(images) <= _CHUNK:
        return transform(images, keys)
    starts = range(0, len(images), _CHUNK)
    return torch.cat([transform(images[i : i + _CHUNK], keys[i : i + _CHUNK]) for i in starts])


def protected(defense: Protecting, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
    """The release of ``images`` under keys drawn from ``keys_seed`` by the defense's key policy.

    Raises:
        UserError: the defense protects no images, or does not return images of that shape and type,
            in [0, 1].
    """
    return protected_under(defense, images, defense.keys(keys_seed, len(images), images.device))


def protected_under(defense: Protecting, images: torch.Tensor, keys: Keys) -> torch.Tensor:
    """The release of ``images`` under ``keys``; raises as ``protected`` does."""
    protect: Transform | None = getattr(defense, "protect", None)
    if protect is None:
        raise UserError(f"defense {defense.selector!r} protects no images: it has no method protect.")
    made = in_chunks(protect, images, keys)
    return _checked(defense, "protect", made, images, bounded=True)


def model_inputs(defense: Protecting, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
    """What the deployed model is given for ``images`` under keys drawn from ``keys_seed``.

    Raises:
        UserError: the defense does not return finite values of that shape and type.
    """
    if defense.feeds_releases:
        return protected(defense, images, keys_seed)
    made = in_chunks(defense.model_inputs, images, defense.keys(keys_seed, len(images), images.device))
    return _checked(defense, "model_inputs", made, images, bounded=False)


def query_seed(defense: Protecting, keys_seed: int, query: int) -> int:
    """The seed of one query's keys: the defender's own where it reuses its key, else a new one."""
    return keys_seed if defense.reuses_key else derive_seed(keys_seed, "query", query)


def _checked(
    defense: Protecting, method: str, made: object, images: torch.Tensor, *, bounded: bool
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


def _broken(defense: Protecting, method: str, got: str, expected: str) -> UserError:
    return UserError(f"defense {defense.selector!r}: {method} returned {got}; expected {expected}.")
