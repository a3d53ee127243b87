"""A fitted defense in service, and the case that a game is made from: the side that holds the truth.

Both are the engine's. An attack gets neither: its view asks the engine, which asks a surface.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from privbench.core.defense import Defense
from privbench.core.images import LabelledImages
from privbench.core.model import Model
from privbench.core.task import Task
from privbench.core.training import TrainedModel


@dataclass(frozen=True)
class Deployment:
    """A fitted defense in service.

    Attributes:
        defense: the declaration.
        trained: what fitting gave.
        module: the trained network in evaluation mode, on ``device``.
        model, task, shape, outputs: what the network is and was taught.
        keys_seed: of the defender's keys: secret.
        device: where everything is computed.
    """

    defense: Defense
    trained: TrainedModel
    module: torch.nn.Module
    model: Model
    task: Task
    shape: tuple[int, int, int]
    outputs: int
    keys_seed: int
    device: torch.device


@dataclass(frozen=True)
class Parts:
    """Who holds which images.

    Attributes:
        candidates: the private side's images; the members among them are the private data.
        members: bool [N], which candidates are private data of the deployment.
        auxiliary: what an adversary may know.
        test: on which utility is measured.
        class_names, attribute_names: of the task's classes and of the columns of ``attributes``.
        digest: SHA-256 over the split.
        seeds: the seeds that were really used, by their use.
        notes: what of the dataset was left out, a sentence each.
    """

    candidates: LabelledImages
    members: torch.Tensor
    auxiliary: LabelledImages
    test: LabelledImages
    class_names: tuple[str, ...] = ()
    attribute_names: tuple[str, ...] = ()
    digest: str = ""
    seeds: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def private(self) -> LabelledImages:
        """The members: what the deployment was fitted to."""
        return self.candidates[self.members]


@dataclass(frozen=True)
class Case:
    """One deployment and the data behind it, from which a game makes challenge and truth.

    Attributes:
        deployment: the fitted defense.
        parts: the data.
        shown: int64 [S], which of the private images a challenge about the release shows, in random
            order; the same for every defense and attack of a seed.
        order: int64 [M], a random order of all private images; ``shown`` is its beginning.
        given: int64 [P], the private images that the adversary knows with their releases.
        release: (surface, data, index) -> what the surface releases for ``data[index]``.
    """

    deployment: Deployment
    parts: Parts
    shown: torch.Tensor
    order: torch.Tensor
    given: torch.Tensor
    release: Callable[[str, LabelledImages, torch.Tensor], torch.Tensor]

    def released(self, surfaces: frozenset[str], index: torch.Tensor) -> dict[str, torch.Tensor]:
        """What each of ``surfaces`` releases for the private images numbered ``index``."""
        private = self.parts.private
        return {name: self.release(name, private, index) for name in sorted(surfaces)}

    def kept(self) -> torch.Tensor | None:
        """int64, the candidates that are left when those that are given leave; None if none is given."""
        if not len(self.given):
            return None
        known = self.parts.members.nonzero()[:, 0][self.given]
        left = torch.ones(len(self.parts.members), dtype=torch.bool)
        left[known] = False
        return left.nonzero()[:, 0]
