"""Statistics of model outputs that membership attacks share. All in float64, never NaN."""

from __future__ import annotations

import torch

_FLOOR = -1e4
_LEAST_VARIANCE = 1e-12
_LEAST_PROBABILITY = 1e-30


def true_log_prob(log_probs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Log-probability of each sample's own class: [..., N] for log-probabilities [..., N, K], labels [N].

    Taken from the stable logit, so that sure answers do not all tie at a probability of 1.
    """
    return torch.nn.functional.logsigmoid(stable_logit(log_probs, labels))


def stable_logit(log_probs: torch.Tensor, labels: torch.Tensor, temperature: float = 1.0) -> torch.Tensor:
    """The logit log p_y - log(1 - p_y): [..., N] for log-probabilities [..., N, K], labels [N].

    1 - p_y is summed over the other classes, so that p_y = 1 in float32 still tells how sure the
    model is (Carlini et al. 2022, section IV-A). ``temperature`` divides the model's outputs first.
    """
    index = labels.to(log_probs.device).expand(log_probs.shape[:-1])[..., None]
    values = log_probs.double().clamp(_FLOOR, 0)
    if temperature != 1:
        values = (values / temperature).log_softmax(-1)
    others = values.scatter(-1, index, -torch.inf).logsumexp(-1)
    return values.gather(-1, index)[..., 0] - others


def pooled_logit(logits: torch.Tensor) -> torch.Tensor:
    """The logit of the mean probability over queries: [...] for logits [Q, ...].

    A random defense answers each query under new keys. The mean probability is what the model says of the
    image; the mean logit is ruled by the answers that went wrong.
    """
    yes = torch.nn.functional.logsigmoid(logits).logsumexp(0)
    no = torch.nn.functional.logsigmoid(-logits).logsumexp(0)
    return yes - no


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


def online_scores(
    target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor, per_sample: bool = False
) -> torch.Tensor:
    """Log-likelihood ratio, member against non-member, mean over queries: float64 [N].

    Args:
        target: [Q, N], stable logits of the attacked model.
        shadows: [Q, K, N], those of the shadows.
        membership: bool [K, N].
        per_sample: whether each sample has its own variances.
    """
    membership = membership.to(target.device)
    mean_in, mean_out = in_out_means(shadows, membership)
    variance_in = variance(shadows, membership, mean_in, per_sample)
    variance_out = variance(shadows, ~membership, mean_out, per_sample)
    log_in = -(target - mean_in).square() / (2 * variance_in) - variance_in.log() / 2
    log_out = -(target - mean_out).square() / (2 * variance_out) - variance_out.log() / 2
    return (log_in - log_out).mean(0)


def log_ratio(
    target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor, a: float | None = None
) -> torch.Tensor:
    """How much the target favours each sample, log p(x | target) - log p(x): float64 [N].

    p(x) is the mean of the shadows' mean probabilities with and without x, or, given ``a``,
    ((1 + a) p_out + 1 - a) / 2 (Zarifzadeh et al. 2024).

    Args:
        target: [N], logits of the attacked model's probabilities.
        shadows: [K, N], those of the shadows.
        membership: bool [K, N].
        a: how far p_in rises above p_out, in [0, 1], where shadows that trained on x are not used.
    """
    likely = shadows.sigmoid()
    inside, outside = (mean[0] for mean in in_out_means(likely[None], membership.to(likely.device)))
    prior = (inside + outside) / 2 if a is None else ((1 + a) * outside + (1 - a)) / 2
    # A mean lies above the least of its terms; the means that in_out_means fills in may not.
    prior = torch.maximum(prior, likely.amin(0)).clamp(_LEAST_PROBABILITY, 1)
    return torch.nn.functional.logsigmoid(target) - prior.log()
