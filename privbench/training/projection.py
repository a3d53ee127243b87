"""Features as learners take them: standardised, and no more numbers than they can use."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_ROWS = 2048


@dataclass(frozen=True)
class Projection:
    """Standardises features, then rotates them to their first principal components.

    Attributes:
        mean, deviation: [D]. A number that never varies becomes 0.
        axes: [D, K], the components, scaled to a mean variance of 1; None: all D as they are.
    """

    mean: torch.Tensor
    deviation: torch.Tensor
    axes: torch.Tensor | None = None

    @classmethod
    def fitted(cls, features: torch.Tensor, most: int | None = None) -> Projection:
        """Fit to ``features`` [N, D]; at most ``most`` components, from the first 2,048 rows."""
        mean = features.double().mean(0).float()
        deviation = features.double().std(0, correction=0).float()
        # Numbers that differ by rounding only must not be blown up to a variance of 1.
        steady = deviation <= 1e-6 * mean.abs().clamp_min(1e-6)
        plain = cls(mean, torch.where(steady, torch.inf, deviation))
        if most is None or features.shape[1] <= most:
            return plain
        rows = plain(features[:_ROWS]).double()
        _, sizes, axes = torch.linalg.svd(rows, full_matrices=False)
        kept = axes[:most].T
        scale = (sizes[:most].square().sum() / len(rows) / kept.shape[1]).sqrt().clamp_min(1e-12)
        return cls(plain.mean, plain.deviation, (kept / scale).float())

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Float32 [N, K] for ``features`` [N, D]."""
        standard = (features - self.mean) / self.deviation
        return standard if self.axes is None else standard @ self.axes
