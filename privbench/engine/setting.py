"""The setting of a run: dataset, model, task, seed, scale, options and device, with budgets by scale."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

from privbench.core.dataset import Dataset, DatasetSource
from privbench.core.deployment import Parts
from privbench.core.model import Model
from privbench.core.options import Options
from privbench.core.scale import Scale, by_scale
from privbench.core.task import Task
from privbench.core.training import TrainingConfig
from privbench.data.reading import read
from privbench.data.splits import make_split, membership


def training_config(scale: Scale) -> TrainingConfig:
    """How every target, plain and shadow model of a run at ``scale`` is trained."""
    return by_scale(
        scale,
        TrainingConfig(epochs=12, min_steps=200),
        TrainingConfig(epochs=30, min_steps=500),
        TrainingConfig(epochs=90, batch_size=128, lr=0.1, augment=True),
    )


def release_size(scale: Scale) -> int:
    """How many releases a reconstruction or attribute challenge shows, at most."""
    return by_scale(scale, 48, 300, 2000)


@dataclass(frozen=True)
class Setting:
    """Everything that the cells of one seed share."""

    source: DatasetSource
    model: Model
    task: Task
    seed: int
    scale: Scale
    device: str
    options: Options = field(default_factory=Options)

    @property
    def config(self) -> TrainingConfig:
        """How models are trained."""
        config = self.options.training(training_config(self.scale))
        return config if self.task.teaches else config.model_copy(update={"epochs": 1, "min_steps": 0})

    def dataset(self) -> Dataset:
        """The loaded dataset, kept in memory for the next call."""
        return _loaded(self.source, content_hash(self.source))

    @cached_property
    def parts(self) -> Parts:
        """Who holds which images."""
        dataset = self.dataset()
        split = make_split(dataset, self.seed, self.scale, self.options.images)
        members, drawn = membership(len(split.candidates), self.seed)
        data = dataset.data
        return Parts(
            candidates=data[split.candidates].floats(),
            members=members,
            auxiliary=data[split.auxiliary].floats(),
            test=data[split.test].floats(),
            class_names=dataset.class_names,
            attribute_names=dataset.attribute_names,
            digest=split.digest,
            seeds={"split": split.seed, "membership": drawn},
            notes=split.notes,
        )

    @cached_property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images."""
        _, channels, height, width = self.dataset().data.images.shape
        return channels, height, width

    @cached_property
    def outputs(self) -> int:
        """How many numbers a model gives for an image."""
        return self.task.outputs(self.dataset())

    def identity(self) -> dict[str, Any]:
        """What a step's cache key must hold of the setting, beside code and libraries."""
        return {
            "dataset": dataset_label(self.source),
            "data": content_hash(self.source),
            "model": self.model.selector,
            "task": self.task.selector,
            "seed": self.seed,
            "scale": self.scale,
            "device": self.device,
            "images": self.options.images,
            "config": self.config.model_dump(mode="json"),
        }


@lru_cache(maxsize=4)
def _loaded(source: DatasetSource, _content: str) -> Dataset:
    return read(source)


@lru_cache(maxsize=16)
def content_hash(source: DatasetSource) -> str:
    """The dataset's own hash of its files."""
    return source.content_hash()


def dataset_label(source: DatasetSource) -> str:
    """What records and boards call the data."""
    return source.label(content_hash(source))


def look_at_data_again() -> None:
    """Forget what datasets held: their files may have changed since, in a notebook's process too."""
    content_hash.cache_clear()
