"""Several binary attributes for each image."""

from __future__ import annotations

import torch

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.core.task import Task


@register("attributes")
class Attributes(Task):
    """Which of A visual attributes an image has, each for itself.

    Labels are int64 [N, A], 0 or 1, or float [N, A] in [0, 1]: the soft labels of images that a
    defense mixes. The loss is the binary cross-entropy, averaged over attributes. The answer is
    [N, A, 2]: log-probabilities of no and of yes, so that an attribute's value is its index.
    """

    source = "Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015"
    utility = "attribute-utility"

    def labels(self, data: LabelledImages) -> torch.Tensor:
        """The attributes, [N, A].

        Raises:
            DataError: the data have none.
        """
        if data.attributes is None:
            raise DataError(
                "the task 'attributes' teaches visual attributes, and these images have none. Choose a "
                "dataset with attributes, or the task 'classes'."
            )
        return data.attributes

    def outputs(self, dataset: Dataset) -> int:
        """A, the number of attributes.

        Raises:
            DataError: the dataset has none.
        """
        return self.labels(dataset.data).shape[1]

    def check(self, labels: torch.Tensor, count: int, outputs: int) -> None:
        """Refuse labels that are no attributes.

        Raises:
            DataError: neither int64 nor float of shape [count, ``outputs``] in [0, 1].
        """
        typed = labels.dtype == torch.int64 or labels.is_floating_point()
        if not typed or labels.shape != (count, outputs):
            raise DataError(
                f"attributes to train on must be int64 or float of shape [{count}, {outputs}], a row for "
                f"each image and a column for each attribute, not {labels.dtype} of {list(labels.shape)}"
            )
        low, high = float(labels.min()), float(labels.max())
        # NaN fails every comparison.
        if not (low >= 0 and high <= 1):
            raise DataError(f"attributes to train on must be from 0 to 1, not from {low:g} to {high:g}")

    def criterion(self, label_smoothing: float = 0.0, reduction: str = "mean") -> torch.nn.Module:
        """Binary cross-entropy of logits [N, A] with attributes, averaged over attributes."""
        # Makes a class of torch's, which the catalogue must not import to be listed.
        from privbench.core.criterion import PerSampleLoss

        def losses(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            wanted = labels.to(outputs.dtype) * (1 - label_smoothing) + label_smoothing / 2
            each = torch.nn.functional.binary_cross_entropy_with_logits(outputs, wanted, reduction="none")
            return each.mean(dim=1)

        return PerSampleLoss(losses, reduction)

    def answer(self, outputs: torch.Tensor) -> torch.Tensor:
        """Log-probabilities [N, A, 2] that an attribute is absent and that it is there."""
        return torch.nn.functional.logsigmoid(torch.stack([-outputs, outputs], dim=-1))
