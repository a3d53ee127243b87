"""Images predicted from features in closed form: neighbours, linear and kernel ridge regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from privbench.training.projection import Projection

Pairs = tuple[torch.Tensor, torch.Tensor]

_ROWS = 2048
_NEIGHBOURS = 5
_LINEAR = (1e-6, 1e-2, 1e-1, 1.0)
_WIDTHS = (1.0, 3.0)
_KERNEL = (1e-2, 1e-1, 1.0)
_MEDIAN_ROWS = 512


@dataclass(frozen=True)
class Regression:
    """A fitted regression.

    Attributes:
        name: ``neighbours``, ``linear`` or ``kernel``, with its strength.
        model: scikit-learn's.
        projection: of the features.
        mean: [C, H, W], the mean training image, to which predictions are added.
        error: the mean squared error on validation pairs.
    """

    name: str
    model: Any
    projection: Projection
    mean: torch.Tensor
    error: float = float("inf")

    def predict(self, features: torch.Tensor) -> torch.Tensor:
        """Images [N, C, H, W] in [0, 1], on the device of ``features`` [N, D]."""
        made = self.model.predict(self.projection(features).double().cpu().numpy())
        offsets = torch.from_numpy(made).float().to(features.device)
        return (offsets.view(-1, *self.mean.shape) + self.mean).clamp(0, 1)


def best_regression(pairs: Pairs, validation: Pairs) -> Regression:
    """The regression with the least squared error on ``validation``; of (features, images) both.

    At most 2,048 of ``pairs`` take part. The mean of the five nearest images is among the candidates,
    and so the answer is never worse than it there.
    """
    from sklearn.kernel_ridge import KernelRidge
    from sklearn.neighbors import KNeighborsRegressor
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    features, images = (part[:_ROWS] for part in pairs)
    projection = Projection.fitted(features)
    rows, mean = projection(features).double().cpu(), images.double().mean(0)
    offsets = (images.double() - mean).flatten(1).cpu().numpy()
    models: dict[str, Any] = {"neighbours": KNeighborsRegressor(min(_NEIGHBOURS, len(rows)))}
    for strength in _LINEAR:
        models[f"linear {strength:g}"] = KernelRidge(kernel="linear", alpha=strength * len(rows))
    few = rows[:_MEDIAN_ROWS]
    median = float(torch.cdist(few, few).square().median()) or 1.0
    for width in _WIDTHS:
        for strength in _KERNEL:
            model = KernelRidge(kernel="rbf", gamma=1 / (width * median), alpha=strength)
            models[f"kernel {width:g}, {strength:g}"] = model
    found: list[Regression] = []
    # One thread, so that sums are added in the same order on every machine.
    with threadpool_limits(limits=1):
        for name, model in models.items():
            model.fit(rows.numpy(), offsets)
            made = Regression(name, model, projection, mean.float())
            error = (made.predict(validation[0]) - validation[1]).square().double().mean()
            found.append(Regression(name, model, projection, made.mean, float(error)))
    return min(found, key=lambda regression: regression.error)
