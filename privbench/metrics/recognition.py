"""Recognition leak: whether reconstructed images still show what they showed."""

from __future__ import annotations

import torch

from privbench.core.errors import DataError, PrivbenchError
from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import register
from privbench.metrics._checks import finite, originals, slices


@register("recognition")
class Recognition(MeanMetric):
    """Accuracy of an independent classifier (the referee's judge) on the reconstructed images.

    The judge was trained on plain auxiliary images and has seen neither defense nor attack. Its
    accuracy on the untouched originals is the ceiling, chance the floor.
    """

    source = "Accuracy of an independent evaluation classifier; Zhang et al., The Secret Revealer, CVPR 2020"
    subject = "reconstruction"
    rates = True
    needs_judge = True
    hits = True

    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """1 where the judge names the original's class, else 0: float64 [N].

        Raises:
            DataError: the task has fewer than two classes.
            PrivbenchError: the referee has no judge, or NaN comes out of it or in.
        """
        if context.judge is None:
            raise PrivbenchError(
                "recognition needs a judge, a classifier of plain images; the referee has none"
            )
        labels = originals(truth).labels.cpu()
        if len(guess) != len(labels) or not len(guess):
            raise PrivbenchError(f"{len(guess)} reconstructed images for {len(labels)} originals")
        finite(guess, "reconstructed images")
        scores = torch.cat(
            [
                context.judge(guess[part].to(context.device)).cpu()
                for part in slices(len(guess), guess[0].numel())
            ]
        )
        if scores.ndim != 2 or scores.shape[1] < 2:
            raise DataError("the judge tells no classes apart; there is nothing to recognise")
        if scores.isnan().any():
            raise PrivbenchError("the judge answered with NaN; no figure can be computed from that")
        return (scores.argmax(dim=1) == labels).double()
