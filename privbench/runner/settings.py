"""The setting of a run: dataset, model, seed, scale and device, with budgets by scale."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from privbench.core.dataset import Dataset, DatasetSource
from privbench.core.model import Model
from privbench.core.scale import Scale, by_scale
from privbench.core.training import TrainingConfig
from privbench.runner.provenance import layer_hash, method_hash


def training_config(scale: Scale) -> TrainingConfig:
    """How every target, plain and shadow model of a run at ``scale`` is trained."""
    return by_scale(
        scale,
        TrainingConfig(epochs=12, min_steps=200),
        TrainingConfig(epochs=30, min_steps=500),
        TrainingConfig(epochs=90, batch_size=128, lr=0.1, augment=True),
    )


def release_size(scale: Scale) -> int:
    """How many released images a reconstruction or feature challenge holds, at most."""
    return by_scale(scale, 48, 300, 2000)


@dataclass(frozen=True)
class Setting:
    """Everything that the cells of one seed share; holds no data, so that it may be passed around."""

    source: DatasetSource
    model: Model
    seed: int
    scale: Scale
    device: str

    @property
    def config(self) -> TrainingConfig:
        """How models are trained."""
        return training_config(self.scale)

    def dataset(self) -> Dataset:
        """The loaded dataset, kept in memory for the next call."""
        return _loaded(self.source)

    def identity(self) -> dict[str, Any]:
        """What a step's cache key must hold of the setting and of the code beneath all methods."""
        return {
            "dataset": self.source.selector,
            "data": _content_hash(self.source),
            "model": self.model.selector,
            "seed": self.seed,
            "scale": self.scale,
            "device": self.device,
            "config": self.config.model_dump(mode="json"),
            "code": layer_hash("core", "data", "tasks", "training"),
            "model_code": method_hash(self.model),
        }


@lru_cache(maxsize=4)
def _loaded(source: DatasetSource) -> Dataset:
    return source.load()


@lru_cache(maxsize=16)
def _content_hash(source: DatasetSource) -> str:
    return source.content_hash()
