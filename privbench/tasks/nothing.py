"""No teaching: for images without labels."""

from __future__ import annotations

import torch

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.core.task import Task


@register("nothing")
class Nothing(Task):
    """Nothing: what is released of images without labels can be attacked all the same.

    The loss is 0 whatever a model says, so that it stays at its initial weights, and there is no
    usefulness to measure. Games about the release are played; those about what a model learned are not.
    """

    source = "privbench's"
    utility = "nothing"
    teaches = False

    def labels(self, data: LabelledImages) -> torch.Tensor:
        """Zeros, int64 [N]."""
        return torch.zeros(len(data), dtype=torch.int64, device=data.images.device)

    def outputs(self, dataset: Dataset) -> int:
        """One number, which means nothing."""
        return 1

    def check(self, labels: torch.Tensor, count: int, outputs: int) -> None:
        """Refuse what is not zeros, int64 [count].

        Raises:
            DataError: it is something else.
        """
        if labels.dtype != torch.int64 or labels.shape != (count,) or bool(labels.any()):
            raise DataError(
                f"the task 'nothing' has labels that must be zeros, int64 of shape [{count}], not "
                f"{labels.dtype} of {list(labels.shape)}"
            )

    def criterion(self, label_smoothing: float = 0.0, reduction: str = "mean") -> torch.nn.Module:
        """Zero for each image."""
        # Makes a class of torch's, which the catalogue must not import to be listed.
        from privbench.core.criterion import PerSampleLoss

        def losses(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return outputs.sum(dim=1) * labels

        return PerSampleLoss(losses, reduction)

    def answer(self, outputs: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [N, 1] of the only answer: zeros."""
        return torch.log_softmax(outputs, dim=1)
