"""The base of classifiers in the registry."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch

from privbench.core.method import Method


class Model(Method):
    """A classifier's definition; ``build`` makes the module with torch's current random state.

    Built modules take float32 [N, C, H, W] in [0, 1] and return [N, outputs], for a task with classes
    their logits. They use no
    in-place operations, so that per-sample gradients work, and expose ``feature_layers``: the
    names of submodules (for forward hooks) that defenses and attacks may tap, shallow to deep.
    """

    kind = "model"
    min_side: ClassVar[int] = 16

    @abstractmethod
    def build(self, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """A fresh module that gives ``outputs`` numbers for each image of ``shape`` (C, H, W)."""

    @abstractmethod
    def feature_layers(self) -> tuple[str, ...]:
        """Names of submodules, as ``named_modules`` gives them, from shallow to deep."""
