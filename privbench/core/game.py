"""The base of games: the challenge that an adversary gets, the shape of its guess, and the truth.

A challenge and its truth are separate objects. Attacks are handed challenges only; truths are
made by the referee, in another process.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from privbench.core.deployment import Case
from privbench.core.errors import PrivbenchError, SurfaceMissing
from privbench.core.images import LabelledImages
from privbench.core.method import Method
from privbench.core.releases import Releases
from privbench.core.view import AdversaryView


@dataclass(frozen=True)
class Truth:
    """What the referee holds: one of these is what a guess is scored against.

    Attributes:
        members: bool [N], for membership and linkage.
        originals: the original images with labels, for reconstruction, and for utility.
        attributes: int64 [N, T], for hidden attributes.
        names: of these T attributes.
        other: what a game of one's own scores against, by names of its own.
        index: int64 [N] or None, which samples of the seed's whole challenge these are, where some left it
            because the adversary knew them.
        clusters: int64 [N] or None, whose picture it is; intervals resample whole identities.
        groups: bool [N] each, parts of the samples whose figures are told apart too (such as people whom
            an encoder was trained on, and others).
    """

    members: torch.Tensor | None = None
    originals: LabelledImages | None = None
    attributes: torch.Tensor | None = None
    names: tuple[str, ...] = ()
    other: Mapping[str, torch.Tensor] = field(default_factory=dict)
    index: torch.Tensor | None = None
    clusters: torch.Tensor | None = None
    groups: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Challenge(ABC):
    """What an adversary is asked.

    Attributes:
        releases: surface -> what it released for the samples of the challenge, [N, ...]; only the
            surfaces that the attack declares.
    """

    releases: dict[str, torch.Tensor] = field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "releases", Releases(self.releases))

    @abstractmethod
    def __len__(self) -> int:
        """How many samples the guess is about."""

    @property
    def released(self) -> torch.Tensor:
        """The release, where the attack declares one surface that releases something.

        Raises:
            SurfaceMissing: it declares none.
            PrivbenchError: it declares several. The message says what to write.
        """
        if len(self.releases) == 1:
            return next(iter(self.releases.values()))
        if not self.releases:
            raise SurfaceMissing(
                "this attack does not see the release: add the surface that it reads to `needs`, such as "
                'needs = {"images"}.'
            )
        raise PrivbenchError(
            f"several surfaces are released ({', '.join(sorted(self.releases))}): use "
            "challenge.releases[name]."
        )


class Game(Method):
    """A privacy game; its file says everything about it.

    Attributes:
        subject: the metrics that score a guess are those with this ``subject``.
        played_on: surfaces on any of which the game can be played.
        beside: further surfaces that an attack may declare in this game.
        floors: the prior-only adversaries in whose best answer leakage begins.
    """

    kind = "game"
    subject: ClassVar[str]
    played_on: ClassVar[frozenset[str]]
    beside: ClassVar[frozenset[str]] = frozenset()
    floors: ClassVar[tuple[str, ...]] = ("blind",)

    @abstractmethod
    def challenge(self, case: Case, surfaces: frozenset[str]) -> Challenge:
        """The question; the same samples for every defense and attack of a seed.

        ``surfaces`` are those of ``played_on`` that the attack declares.
        """

    @abstractmethod
    def truth(self, case: Case) -> Truth:
        """The answers to ``challenge``."""

    @abstractmethod
    def check(self, challenge: Any, guess: object) -> torch.Tensor:
        """The guess as the metrics take it, on the CPU; raise PrivbenchError if it is none."""

    @abstractmethod
    def floor(self, view: AdversaryView, challenge: Any, aim: str) -> torch.Tensor:
        """The best guess from the prior alone, without a look at any release."""

    def pool(self, case: Case) -> torch.Tensor:
        """Which private images (int64 indices, in random order) are given away first as known pairs.

        By default those that no challenge shows. A game whose challenge is about all private images
        gives any of them away, and leaves ``case.given`` out of challenge and truth.
        """
        return case.order[len(case.shown) :]


def checked(guess: object, shape: tuple[int, ...]) -> torch.Tensor:
    """Return ``guess``, detached and on the CPU.

    Raises:
        PrivbenchError: it is no tensor of that shape, or holds NaN, infinite or complex values.
    """
    if not isinstance(guess, torch.Tensor):
        raise PrivbenchError(f"the guess is a {type(guess).__name__}; expected a tensor of shape {shape}")
    if tuple(guess.shape) != shape:
        raise PrivbenchError(f"the guess has shape {tuple(guess.shape)}; expected {shape}")
    guess = guess.detach().cpu()
    if guess.is_complex() or not torch.isfinite(guess.double()).all():
        raise PrivbenchError("the guess holds NaN, infinite or complex values; expected finite numbers")
    return guess


def clusters_of(data: LabelledImages) -> torch.Tensor | None:
    """Whose pictures ``data`` are, int64 [N] on the CPU, or None where that is not known."""
    return None if data.identities is None else data.identities.cpu()
