"""The base of tasks: what a model is taught and how its usefulness is measured."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch

from privbench.core.dataset import Dataset
from privbench.core.images import LabelledImages
from privbench.core.method import Method


class Task(Method):
    """What a model learns of images: the labels, the size of its head, the loss, the answer.

    Training knows no task: it hands the model's outputs and the labels of a batch to the criterion.

    Attributes:
        utility: the ``subject`` of the metrics that say how useful a deployed model is; they get
            what ``answer`` gives.
        augmentable: whether labels stay right when images are shifted or mirrored.
        teaches: whether there is anything to learn; if not, training is one pass that changes nothing.
    """

    kind = "task"
    utility: ClassVar[str]
    augmentable: ClassVar[bool] = True
    teaches: ClassVar[bool] = True

    @abstractmethod
    def labels(self, data: LabelledImages) -> torch.Tensor:
        """What a model is taught about ``data``: [N, ...], a row for each image.

        Raises:
            DataError: the data do not say it.
        """

    @abstractmethod
    def outputs(self, dataset: Dataset) -> int:
        """How many numbers a model for ``dataset`` gives for an image.

        Raises:
            DataError: the dataset has nothing that the task could teach.
        """

    @abstractmethod
    def check(self, labels: torch.Tensor, count: int, outputs: int) -> None:
        """Refuse labels that a model with ``outputs`` numbers cannot be taught for ``count`` ≥ 1 images.

        Raises:
            DataError: wrong type, shape or values.
        """

    @abstractmethod
    def criterion(self, label_smoothing: float = 0.0, reduction: str = "mean") -> torch.nn.Module:
        """The loss: a module that is called with outputs [N, ...] and labels [N, ...].

        A sample's loss depends on that sample alone: differential privacy and batched training rest on it.

        Args:
            label_smoothing: the share of every label that goes to all answers alike; a task without
                such answers takes no notice.
            reduction: ``mean`` or ``sum`` gives a scalar, ``none`` each sample's loss [N].

        Returns:
            A module whose attribute ``reduction`` may be set later (ghost clipping does that). It has
            no state, so that ``vmap`` and worker processes may run it. ``core.criterion.PerSampleLoss``
            makes one of a function.
        """

    @abstractmethod
    def answer(self, outputs: torch.Tensor) -> torch.Tensor:
        """What a prediction service answers, [N, ...], for a model's outputs [N, ...]."""
