"""One model's samples for batched training, as tables of equal width."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator

import torch

from privbench.core.training import TrainingJob
from privbench.training.plan import batches_per_epoch, epochs, learning_rates, total_steps

FIELDS = 5
"""Image, label, shift down, shift right, flip."""


class Feed:
    """Hands out the steps of ``job`` in blocks.

    Args:
        job: what is trained.
        image_offset: where the job's images start in the pool of all images.
        label_offset: where its labels start in the pool of all labels.
    """

    def __init__(self, job: TrainingJob, image_offset: int, label_offset: int) -> None:
        self.job = job
        self.steps = total_steps(job)
        count = len(job.labels)
        pieces = batches_per_epoch(count, job.config.batch_size)
        self.width = -(-count // pieces)
        self.sizes = torch.tensor([len(piece) for piece in torch.arange(count).tensor_split(pieces)])
        self.rates = torch.tensor(learning_rates(job.config, self.steps), dtype=torch.float64)
        self.offsets = (image_offset, label_offset)
        self._tables = self._epoch_tables()
        self._rest = torch.empty(0, self.width, FIELDS, dtype=torch.int64)

    def _epoch_tables(self) -> Iterator[torch.Tensor]:
        """int64 [steps, width, FIELDS] of each epoch; padding repeats the first sample."""
        count = len(self.job.labels)
        image_offset, label_offset = self.offsets
        for epoch in epochs(self.job):
            index = torch.nn.utils.rnn.pad_sequence(list(epoch.batches), batch_first=True)
            table = torch.zeros(*index.shape, FIELDS, dtype=torch.int64)
            table[..., 0] = index + image_offset + epoch.version * count
            table[..., 1] = index + label_offset
            if epoch.augmentation is not None:
                table[..., 2:4] = epoch.augmentation.shifts[index]
                table[..., 4] = epoch.augmentation.flips[index]
            yield table

    def block(self, first: int, count: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Steps ``first`` to ``first + count``; blocks are asked for in order.

        Returns:
            int64 [count, width, FIELDS]; float64 [count] learning rates; float64 [count, width]
            weights of the samples, that of each real one 1/batch size. All 0 after the last step.
        """
        parts = [self._rest]
        while sum(map(len, parts)) < count and (table := next(self._tables, None)) is not None:
            parts.append(table)
        rows = torch.cat(parts)
        rows, self._rest = rows[:count], rows[count:]
        table = rows.new_zeros(count, width, FIELDS)
        table[: len(rows), : self.width] = rows
        rates = torch.zeros(count, dtype=torch.float64)
        rates[: len(rows)] = self.rates[first : first + len(rows)]
        sizes = self.sizes[torch.arange(first, first + len(rows)) % len(self.sizes), None]
        weights = torch.zeros(count, width, dtype=torch.float64)
        weights[: len(rows)] = (torch.arange(width) < sizes).double() / sizes
        return table, rates, weights

    def epoch_of(self, step: int) -> int:
        """Which epoch, from 0, a step belongs to."""
        return bisect_right(range(0, self.steps, len(self.sizes)), step) - 1

    def epoch_losses(self, losses: torch.Tensor) -> tuple[float, ...]:
        """Mean loss of each epoch from the losses [steps or more] of the steps."""
        rows = losses[: self.steps].view(-1, len(self.sizes))
        return tuple((rows * self.sizes).sum(1).div(len(self.job.labels)).tolist())
