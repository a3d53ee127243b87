"""A logistic regression on pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch

Answer: TypeAlias = "Callable[[torch.Tensor], torch.Tensor]"
"""Images, float32 [N, C, H, W], to the likeliest values, int64 [N] on the CPU."""

_POOLED_SIDE = 32
_VERSIONS = 10


def linear_reader(versions: torch.Tensor, labels: torch.Tensor) -> Answer:
    """Logistic regression on pixels (averaged down to at most 32 a side), on all versions."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    only = int(labels[0])
    if (labels == labels[0]).all():
        return lambda images: torch.full((len(images),), only)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
    copies = versions[:_VERSIONS]
    rows = torch.cat([_pixels(version) for version in copies])
    # One thread, so that sums are added in the same order on every machine.
    with threadpool_limits(limits=1):
        model.fit(rows.numpy(), labels.cpu().repeat(len(copies)).numpy())
    return lambda images: torch.from_numpy(model.predict(_pixels(images).numpy())).long()


def _pixels(images: torch.Tensor) -> torch.Tensor:
    height, width = images.shape[-2:]
    sides = (min(height, _POOLED_SIDE), min(width, _POOLED_SIDE))
    return torch.nn.functional.adaptive_avg_pool2d(images, sides).flatten(1).cpu().double()
