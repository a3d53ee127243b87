"""VFE on a logarithmic scale."""

from __future__ import annotations

import torch
from pydantic import Field

from privbench.core.game import Truth
from privbench.core.metric import MeanMetric, ScoringContext
from privbench.core.registry import register
from privbench.metrics.vfe import Mode, vfe_db


@register("vfe-db")
class VfeDb(MeanMetric):
    """VFE of released images in decibels, averaged over images as decibels."""

    subject = "release"
    higher_is = "private"
    unit = "dB"
    bounds = (-100.0, 26.0)
    source = (
        "Li et al., You Can Use But Cannot Recognize, NDSS 2024, VFE(I); the logarithm is privbench's own"
    )

    mode: Mode = Field("mean", description="mean: F = 1, no padding; reference: as the released code has it")

    def values(self, truth: Truth, guess: torch.Tensor, context: ScoringContext) -> torch.Tensor:
        """VFE of each released image in decibels, [N]."""
        return vfe_db(guess.to(context.device), self.mode)
