"""Learning from one's own shadows how much each statistic says: every shadow is attacked by the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import torch

from privbench.attacks._likelihood import in_out_means, log_ratio, online_scores, stable_logit, variance

Relate: TypeAlias = "Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]"
"""A model's statistics [N, F], those of shadows [K, N, F] and their membership [K, N] to features [N, G]."""

Learner: TypeAlias = Literal["both", "logistic", "boosting"]

_TEMPERATURES = (1.0, 2.0, 4.0)
_RISE = 0.33
"""How far p_in rises above p_out, in the ratio that uses non-members alone."""


def relations(target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor) -> torch.Tensor:
    """How one statistic of a model compares with the same of shadows: float64 [N, 6].

    The value, how far it is above the shadows' mean without and with the sample, the distance of these
    two, the deviation of the shadows without it, and the log-likelihood ratio of both Gaussians.

    Args:
        target: [N].
        shadows: [K, N].
        membership: bool [K, N].
    """
    mean_in, mean_out = in_out_means(shadows[None], membership)
    deviation = variance(shadows[None], ~membership, mean_out, per_sample=True)[0].sqrt()
    ratio = online_scores(target[None], shadows[None], membership)
    inside, outside = mean_in[0], mean_out[0]
    return torch.stack([target, target - outside, target - inside, inside - outside, deviation, ratio], -1)


def logits_by_temperature(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Stable logits at three temperatures of the softmax: [..., N, 3]."""
    return torch.stack([stable_logit(log_probs, labels, t) for t in _TEMPERATURES], -1)


def shadow_statistics(target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor) -> torch.Tensor:
    """What ``lira`` and ``rmia`` compute, online and offline, and what they compute it from: [N, 12].

    Args:
        target: [N, 3], the logits by temperature.
        shadows: [K, N, 3].
        membership: bool [K, N].
    """
    ratios = [
        log_ratio(target[:, t], shadows[..., t], membership, a)
        for t in range(len(_TEMPERATURES))
        for a in (None, _RISE)
    ]
    gaussian = relations(target[:, 0], shadows[..., 0], membership)
    return torch.cat([gaussian, torch.stack(ratios, -1)], -1)


def calibrated(
    target: torch.Tensor,
    shadows: torch.Tensor,
    membership: torch.Tensor,
    relate: Relate,
    learner: Learner,
    seed: int,
) -> torch.Tensor:
    """Membership scores of the target, float64 [N]: by learners that told the shadows' own members.

    Each shadow is attacked with the help of the others, and its members, which the adversary chose, are
    what is learnt. Membership is drawn independently for each shadow and sample, so that the others do not
    tell it. The learners' scores are standardised and averaged: boosting can recognise samples by the
    others' means, so that neither could be chosen by its fit.

    Args:
        target: [N, F], statistics of the attacked model.
        shadows: [K, N, F], of at least two shadows.
        membership: bool [K, N].
        relate: makes features of statistics.
        learner: which of the two learners.
        seed: of the trees.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    target, shadows, membership = target.cpu().double(), shadows.cpu().double(), membership.cpu()
    rows = []
    for one in range(len(shadows)):
        others = torch.arange(len(shadows)) != one
        rows.append(relate(shadows[one], shadows[others], membership[others]))
    known, inside = torch.cat(rows).numpy(), membership.flatten().numpy()
    asked = relate(target, shadows, membership).numpy()
    if inside.all() or not inside.any():
        return torch.zeros(len(target), dtype=torch.float64)
    scores = torch.zeros(len(target), dtype=torch.float64)
    # One thread, so that sums are added in the same order on every machine.
    with threadpool_limits(limits=1):
        for name in ("logistic", "boosting") if learner == "both" else (learner,):
            model = _made(name, seed % 2**32).fit(known, inside)
            found = torch.from_numpy(model.decision_function(asked)).double()
            scores += (found - found.mean()) / found.std(correction=0).clamp(min=1e-12)
    return scores


def _made(name: str, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    return HistGradientBoostingClassifier(
        max_iter=80,
        learning_rate=0.05,
        max_leaf_nodes=8,
        min_samples_leaf=100,
        early_stopping=False,
        random_state=seed,
    )
