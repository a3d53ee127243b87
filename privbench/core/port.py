"""What an adversary's view needs of others: the way to the engine, surfaces to open, a game to play."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import torch

from privbench.core.images import LabelledImages
from privbench.core.training import TrainedModel, TrainingJob

# As texts, so that torch is not loaded for a name.
Tensors: TypeAlias = "dict[str, torch.Tensor]"
Ask: TypeAlias = "Callable[[Tensors], Tensors]"


class Shadows(Protocol):
    """Models that an adversary trained through the public algorithm on data of its own choice."""

    @property
    def membership(self) -> torch.Tensor:
        """Bool [K, N]: which sample each model trained on, independent Bernoulli(1/2) draws."""
        ...

    @property
    def modules(self) -> Sequence[torch.nn.Module]:
        """The K networks, in evaluation mode: the adversary's own, weights and all."""
        ...

    def log_probs(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """The models' answers [K, N, classes]; ``draw`` numbers the keys of a random defense."""
        ...


class Port(Protocol):
    """The adversary's way to the engine: everything that leaves its own process."""

    def ask(self, surface: str, inputs: Tensors) -> Tensors:
        """Query an oracle; the engine counts."""
        ...

    def released(self) -> Tensors:
        """The whole release, by declared surface."""
        ...

    def train(self, jobs: list[TrainingJob], text: str) -> list[TrainedModel]:
        """Train jobs, outside."""
        ...

    def shadows(self, data: LabelledImages, count: int) -> Shadows:
        """Train shadow models, outside; those that are cached are not trained again."""
        ...

    def progress(self, done: int, total: int, text: str) -> None:
        """Say how far one's own long work is."""
        ...


class Opener(Protocol):
    """A surface, as a view needs it; ``core.surface.Surface`` is one."""

    def open(self, view: Any, ask: Ask) -> Any:
        """What ``view.<surface>`` is to an attack."""
        ...


class Played(Protocol):
    """A game, as an attack sees it; ``core.game.Game`` is one."""

    @property
    def registry_name(self) -> str:
        """Its name."""
        ...

    @property
    def played_on(self) -> frozenset[str]:
        """The surfaces on any of which it can be played."""
        ...

    def floor(self, view: Any, challenge: Any, aim: str) -> torch.Tensor:
        """The best guess from the prior alone."""
        ...
