"""Statistics of model outputs that membership attacks share. All in float64, never NaN."""

from __future__ import annotations

import torch

_FLOOR = -1e4
_LEAST_VARIANCE = 1e-12


def true_log_prob(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Log-probability of each sample's own class: [..., N] for log-probabilities [..., N, K], labels [N].

    Taken from the stable logit, so that sure answers do not all tie at a probability of 1.
    """
    return torch.nn.functional.logsigmoid(stable_logit(log_probs, labels))


def stable_logit(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The logit log p_y - log(1 - p_y): [..., N] for log-probabilities [..., N, K], labels [N].

    1 - p_y is summed over the other classes, so that p_y = 1 in float32 still tells how sure the
    model is (Carlini et al. 2022, section IV-A).
    """
    index = labels.to(log_probs.device).expand(log_probs.shape[:-1])[..., None]
    values = log_probs.double().clamp(_FLOOR, 0)
    others = values.scatter(-1, index, -torch.inf).logsumexp(-1)
    return values.gather(-1, index)[..., 0] - others


def in_out_means(values: torch.Tensor, membership: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Each sample's mean over the shadows that trained on it, and over those that did not.

    A sample that no shadow trained on (or that all did) takes its other mean, moved by the mean
    difference of the samples that have both.

    Args:
        values: [Q, K, N], a statistic of K shadows in Q queries.
        membership: bool [K, N].

    Returns:
        two tensors [Q, N].
    """
    inside = membership.to(values.device, values.dtype)
    count_in, count_out = inside.sum(0), (1 - inside).sum(0)
    mean_in = (values * inside).sum(1) / count_in.clamp(min=1)
    mean_out = (values * (1 - inside)).sum(1) / count_out.clamp(min=1)
    both = (count_in > 0) & (count_out > 0)
    gap = ((mean_in - mean_out) * both).sum(1, keepdim=True) / both.sum().clamp(min=1)
    return (
        torch.where(count_in > 0, mean_in, mean_out + gap),
        torch.where(count_out > 0, mean_out, mean_in - gap),
    )


def variance(values: torch.Tensor, mask: torch.Tensor, mean: torch.Tensor, per_sample: bool) -> torch.Tensor:
    """Unbiased variance [Q, N] over the masked shadows, pooled over samples unless ``per_sample``.

    A sample with fewer than two masked shadows has no variance of its own and takes the pooled one.

    Args:
        values: [Q, K, N].
        mask: bool [K, N], which shadows count for which sample.
        mean: [Q, N], the masked means.
        per_sample: whether each sample has its own variance.
    """
    weight = mask.to(values.device, values.dtype)
    squares = ((values - mean[:, None]).square() * weight).sum(1)
    freedom = (weight.sum(0) - 1).clamp(min=0)
    usable = freedom > 0
    pooled = (squares * usable).sum(1, keepdim=True) / freedom.sum().clamp(min=1)
    own = torch.where(usable, squares / freedom.clamp(min=1), pooled)
    return (own if per_sample else pooled.expand_as(own)).clamp(min=_LEAST_VARIANCE)
