"""Games: the challenge that an adversary gets, the shape of its guess, and the truth.

A challenge and its truth are separate objects. Attacks are handed challenges only; truths are
made after the guess is in, by the referee.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from privbench.core.errors import PrivbenchError
from privbench.core.images import LabelledImages


@dataclass(frozen=True)
class MembershipChallenge:
    """Which of these were trained on? The guess is float [N]: higher means a member.

    Attributes:
        images: float32 [N, C, H, W] in [0, 1], the candidates.
        labels: int64 [N], their task labels.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)

    def check(self, guess: object) -> torch.Tensor:
        """Return the guess as float64 [N] on the CPU; raise PrivbenchError if it is none."""
        return _checked(guess, (len(self),)).double()


@dataclass(frozen=True)
class ReconstructionChallenge:
    """What did the originals look like? The guess is float [N, C, H, W] in [0, 1].

    Attributes:
        released: float32 [N, C, H, W], the released (protected) images.
        image_shape: (C, H, W) of the originals.
    """

    released: torch.Tensor
    image_shape: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.released)

    def check(self, guess: object) -> torch.Tensor:
        """Return the guess as float32 in [0, 1] on the CPU; raise PrivbenchError if it is none."""
        return _checked(guess, (len(self), *self.image_shape)).float().clamp(0, 1)


@dataclass(frozen=True)
class FeatureChallenge:
    """Which hidden features did the originals have? The guess is int64 [N, T], a value each.

    Attributes:
        released: float32 [N, C, H, W], the released (protected) images.
        targets: the names of the T features.
        cardinalities: how many values each feature has.
    """

    released: torch.Tensor
    targets: tuple[str, ...]
    cardinalities: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.released)

    def check(self, guess: object) -> torch.Tensor:
        """Return the guess as int64 on the CPU; raise PrivbenchError if it is none."""
        values = _checked(guess, (len(self), len(self.targets)))
        bounds = torch.tensor(self.cardinalities)
        if (values < 0).any() or (values >= bounds).any():
            raise PrivbenchError(f"a guessed feature is outside 0..{[c - 1 for c in self.cardinalities]}")
        return values.long()


Challenge = MembershipChallenge | ReconstructionChallenge | FeatureChallenge


@dataclass(frozen=True)
class Truth:
    """What the referee holds: one of these fields is what the guess is scored against.

    Attributes:
        members: bool [N], for membership.
        originals: the original images with labels, for reconstruction.
        features: int64 [N, T], for features.
        clusters: int64 [N] or None, whose picture it is; intervals resample whole identities.
    """

    members: torch.Tensor | None = None
    originals: LabelledImages | None = None
    features: torch.Tensor | None = None
    clusters: torch.Tensor | None = None


def feature_targets(
    data: LabelledImages, class_count: int, attribute_names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[int, ...], torch.Tensor]:
    """The hidden features of ``data``: its attributes, or its class where it has none.

    Returns:
        their names, how many values each has, and the values as int64 [N, T].
    """
    if data.attributes is not None and attribute_names:
        return attribute_names, (2,) * len(attribute_names), data.attributes.long()
    return ("class",), (class_count,), data.labels[:, None].long()


def _checked(guess: object, shape: tuple[int, ...]) -> torch.Tensor:
    if not isinstance(guess, torch.Tensor):
        raise PrivbenchError(f"the guess is a {type(guess).__name__}; expected a tensor of shape {shape}")
    if tuple(guess.shape) != shape:
        raise PrivbenchError(f"the guess has shape {tuple(guess.shape)}; expected {shape}")
    guess = guess.detach().cpu()
    if guess.is_complex() or not torch.isfinite(guess.double()).all():
        raise PrivbenchError("the guess holds NaN, infinite or complex values; expected finite numbers")
    return guess
