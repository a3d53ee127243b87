"""One class for each image."""

from __future__ import annotations

import torch

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.core.task import Task

_SUM_TOLERANCE = 1e-3


@register("classes")
class Classes(Task):
    """Which one of K classes an image shows.

    Labels are int64 [N], or float [N, K] with rows that sum to 1: the soft labels of images that a
    defense mixes. The loss is cross-entropy, the answer log-probabilities [N, K].
    """

    source = "Cross-entropy; soft labels as in Zhang et al., mixup, ICLR 2018"
    utility = "utility"

    def labels(self, data: LabelledImages) -> torch.Tensor:
        """The classes, int64 [N] or soft float [N, K]."""
        return data.labels

    def outputs(self, dataset: Dataset) -> int:
        """K, the number of classes.

        Raises:
            DataError: the dataset names fewer than two classes.
        """
        if len(dataset.class_names) < 2:
            raise DataError(
                f"the dataset names {len(dataset.class_names)} classes, and telling classes apart takes two. "
                "Choose another dataset or task: --task attributes where there are attributes, --task "
                "nothing to play the games about what is released. An imagefolder with labels.csv takes "
                "task=COLUMN."
            )
        return len(dataset.class_names)

    def check(self, labels: torch.Tensor, count: int, outputs: int) -> None:
        """Refuse labels that are no classes.

        Raises:
            DataError: neither int64 [count] from 0 to ``outputs`` - 1 nor probabilities [count, ``outputs``].
        """
        if labels.is_floating_point() and labels.dim() == 2:
            _check_soft(labels, count, outputs)
            return
        if labels.dtype != torch.int64 or labels.shape != (count,):
            raise DataError(
                f"training labels must be int64 of shape [{count}], one for each image, "
                f"not {labels.dtype} of {list(labels.shape)}"
            )
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= outputs:
            raise DataError(f"training labels must be from 0 to {outputs - 1}, not from {low} to {high}")

    def criterion(self, label_smoothing: float = 0.0, reduction: str = "mean") -> torch.nn.Module:
        """Cross-entropy of logits [N, K] with classes or soft labels."""
        return torch.nn.CrossEntropyLoss(label_smoothing=label_smoothing, reduction=reduction)

    def answer(self, outputs: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [N, K]."""
        return torch.log_softmax(outputs, dim=1)


def _check_soft(labels: torch.Tensor, count: int, outputs: int) -> None:
    if labels.shape != (count, outputs):
        raise DataError(
            f"soft training labels must have shape [{count}, {outputs}], a row for each image and a column "
            f"for each class, not {list(labels.shape)}"
        )
    # NaN fails every comparison.
    low, worst = float(labels.min()), float((labels.sum(dim=1) - 1).abs().max())
    if not (low >= 0 and worst <= _SUM_TOLERANCE):
        raise DataError(
            f"soft training labels must be probabilities whose rows sum to 1; the least is {low:g}, and a "
            f"row's sum is off by {worst:g}"
        )
