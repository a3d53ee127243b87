"""The adversary's view: everything that an attack may use, and nothing else.

A view references oracles, released data and the public algorithm. It never references private
data, membership or any other truth: those are held by the referee and made after the guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch

from privbench.core.errors import SurfaceMissing
from privbench.core.images import LabelledImages
from privbench.core.scale import Scale
from privbench.core.seeds import derive_seed
from privbench.core.threat import Surface


class Shadows(Protocol):
    """Models that an adversary trained through the public algorithm on data of its own choice."""

    @property
    def membership(self) -> torch.Tensor:
        """Bool [K, N]: which sample each model trained on, independent Bernoulli(1/2) draws."""
        ...

    def log_probs(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Class log-probabilities [K, N, classes]; ``draw`` numbers the keys of a random defense."""
        ...


class Simulator(Protocol):
    """The defense's public algorithm, run by the adversary with keys of its own (Kerckhoffs)."""

    def protect(self, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
        """Protect images under keys drawn from ``keys_seed``."""
        ...

    def shadows(self, data: LabelledImages, count: int) -> Shadows:
        """Train ``count`` models through the defense, each on a random half of ``data``."""
        ...


@dataclass(frozen=True)
class Deployment:
    """What a fitted defense exposes; a surface that is absent is None.

    Attributes:
        scores: (images, query number) -> log-probabilities [N, classes], end to end: the
            service protects what it is sent under the defender's key policy.
        protect: (images, query number) -> protected images under the defender's key policy.
        weights: () -> a copy of the deployed model.
    """

    surfaces: frozenset[Surface]
    scores: Callable[[torch.Tensor, int], torch.Tensor] | None = None
    protect: Callable[[torch.Tensor, int], torch.Tensor] | None = None
    weights: Callable[[], torch.nn.Module] | None = None


def _silent(done: int, total: int, text: str) -> None:
    """Report no progress."""


@dataclass
class AdversaryView:
    """What one adversary sees of one deployment.

    Attributes:
        deployment: the exposed surfaces; use the methods below, which count queries.
        auxiliary: public data of the same kind, disjoint from the private data.
        simulator: the public algorithm with keys of the adversary's own.
        classes: how many classes the task has.
        attribute_names: names of the attributes in ``auxiliary``, if any.
        scale: how much budget the attack may spend.
        device: where tensors live and are computed on.
        root_seed: all of the adversary's randomness derives from it.
        queries: images sent to each oracle so far.
        log: learning curves and remarks, kept in the record; a curve named ``loss`` is checked
            for having converged.
        progress: call with (done, total, text) during long work.
    """

    deployment: Deployment
    auxiliary: LabelledImages
    simulator: Simulator
    classes: int
    attribute_names: tuple[str, ...]
    scale: Scale
    device: torch.device
    root_seed: int
    queries: dict[str, int] = field(default_factory=dict)
    log: dict[str, list[float]] = field(default_factory=dict)
    progress: Callable[[int, int, str], None] = _silent
    _calls: int = 0

    def seed(self, *axes: str | int) -> int:
        """A seed of the adversary's own for the stream named by ``axes``."""
        return derive_seed(self.root_seed, *axes)

    def scores(self, images: torch.Tensor) -> torch.Tensor:
        """Query the prediction service: log-probabilities [N, classes]. Each image is a query."""
        if self.deployment.scores is None:
            raise SurfaceMissing("the deployment has no prediction service (surface 'scores')")
        return self.deployment.scores(images, self._count("scores", len(images)))

    def protect(self, images: torch.Tensor) -> torch.Tensor:
        """Query the defender's protection oracle. Each image is a query."""
        if self.deployment.protect is None:
            raise SurfaceMissing("the deployment has no protection oracle (surface 'protect')")
        return self.deployment.protect(images, self._count("protect", len(images)))

    def weights(self) -> torch.nn.Module:
        """A copy of the deployed model (white box), in evaluation mode."""
        if self.deployment.weights is None:
            raise SurfaceMissing("the deployment does not give its model away (surface 'weights')")
        return self.deployment.weights()

    def simulate(self, images: torch.Tensor, *axes: str | int) -> torch.Tensor:
        """Protect ``images`` by the public algorithm with keys of the adversary's own, one an image.

        Other ``axes`` give other keys; this costs no query.
        """
        return self.simulator.protect(images, self.seed("simulate", *axes))

    def shadows(self, data: LabelledImages, count: int) -> Shadows:
        """Train ``count`` shadow models through the defense, each on a random half of ``data``."""
        return self.simulator.shadows(data, count)

    def _count(self, oracle: str, queries: int) -> int:
        self.queries[oracle] = self.queries.get(oracle, 0) + queries
        self._calls += 1
        return self._calls
