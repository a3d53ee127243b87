"""Statistics of model outputs against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from privbench.attacks._likelihood import (
    in_out_means,
    log_ratio,
    pooled_logit,
    stable_logit,
    true_log_prob,
    variance,
)


def _random(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), classes=st.integers(2, 7), scale=st.floats(0.1, 8))
def test_stable_logit_is_the_logit(seed: int, classes: int, scale: float) -> None:
    log_probs = (scale * _random(seed, 3, 5, classes)).log_softmax(-1)
    labels = torch.arange(5) % classes
    found = stable_logit(log_probs, labels)
    for i in range(3):
        for j in range(5):
            p = math.exp(log_probs[i, j, labels[j]])
            others = sum(math.exp(v) for k, v in enumerate(log_probs[i, j].tolist()) if k != labels[j])
            assert found[i, j] == pytest.approx(math.log(p) - math.log(others), rel=1e-8, abs=1e-8)
            assert true_log_prob(log_probs, labels)[i, j] == pytest.approx(math.log(p), abs=1e-9)


def test_stable_logit_survives_certainty() -> None:
    logits = torch.tensor([[60.0, 0.0, 0.0], [-60.0, 0.0, 0.0]])
    found = stable_logit(logits.log_softmax(-1), torch.tensor([0, 0]))
    assert found.tolist() == pytest.approx([60 - math.log(2), -60 - math.log(2)], rel=1e-6)
    impossible = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0]])
    assert torch.isfinite(stable_logit(impossible, torch.tensor([0, 0]))).all()
    assert torch.isfinite(true_log_prob(impossible, torch.tensor([0, 0]))).all()


def test_moments_match_numpy() -> None:
    values = _random(0, 2, 9, 6)
    membership = _random(1, 9, 6) > 0
    membership[:2], membership[2:4] = True, False
    mean_in, mean_out = in_out_means(values, membership)
    own = variance(values, membership, mean_in, per_sample=True)
    pooled = variance(values, ~membership, mean_out, per_sample=False)
    for q in range(2):
        squares, freedom = 0.0, 0
        for n in range(6):
            inside = values[q, membership[:, n], n].numpy()
            outside = values[q, ~membership[:, n], n].numpy()
            assert mean_in[q, n] == pytest.approx(inside.mean())
            assert mean_out[q, n] == pytest.approx(outside.mean())
            assert own[q, n] == pytest.approx(np.var(inside, ddof=1))
            squares += ((outside - outside.mean()) ** 2).sum()
            freedom += len(outside) - 1
        assert pooled[q].tolist() == pytest.approx([squares / freedom] * 6)


@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize("shadows", [1, 2, 3])
def test_missing_sides_are_filled(shadows: int, per_sample: bool) -> None:
    values = _random(2, 1, shadows, 8) + 5
    for bits in range(2**shadows):
        membership = torch.tensor([[bool(bits >> k & 1)] for k in range(shadows)]).expand(-1, 8).clone()
        membership[0, :4] = True
        mean_in, mean_out = in_out_means(values, membership)
        for mask, mean in ((membership, mean_in), (~membership, mean_out)):
            assert torch.isfinite(mean).all()
            spread = variance(values, mask, mean, per_sample)
            assert torch.isfinite(spread).all()
            assert (spread > 0).all()


def test_a_missing_side_takes_the_common_gap() -> None:
    values = torch.tensor([[[3.0, 4.0, 10.0], [1.0, 2.0, 10.0]]], dtype=torch.float64)
    membership = torch.tensor([[True, True, True], [False, False, True]])
    mean_in, mean_out = in_out_means(values, membership)
    assert mean_in.tolist() == [[3, 4, 10]]
    assert mean_out.tolist() == [[1, 2, 8]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), temperature=st.floats(0.2, 20))
def test_temperature_divides_the_outputs(seed: int, temperature: float) -> None:
    outputs = 5 * _random(seed, 6, 4)
    labels = torch.arange(6) % 4
    found = stable_logit(outputs.log_softmax(-1), labels, temperature)
    # The logit of the softmax, without the softmax, which is 1 in floating point where it is nearly so.
    own = torch.nn.functional.one_hot(labels, 4).bool()
    others = (outputs / temperature).masked_fill(own, -torch.inf).logsumexp(-1)
    expected = (outputs / temperature)[own] - others
    torch.testing.assert_close(found, expected)


def test_a_temperature_keeps_what_is_impossible_finite() -> None:
    impossible = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0]])
    assert torch.isfinite(stable_logit(impossible, torch.tensor([0, 0]), 2.0)).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), queries=st.integers(1, 9))
def test_the_pooled_logit_is_that_of_the_mean_probability(seed: int, queries: int) -> None:
    logits = 4 * _random(seed, queries, 5)
    torch.testing.assert_close(pooled_logit(logits), logits.sigmoid().mean(0).logit())


def test_pooling_keeps_what_float64_cannot_tell_from_certain() -> None:
    sure = torch.tensor([[60.0, -60.0], [80.0, -80.0]], dtype=torch.float64)
    found = pooled_logit(sure)
    assert found.tolist() == pytest.approx([60 + math.log(2), -60 - math.log(2)], rel=1e-6)


@pytest.mark.parametrize("a", [None, 0.0, 0.33, 1.0])
def test_log_ratio_matches_its_definition(a: float | None) -> None:
    target, shadows = _random(3, 4), _random(4, 7, 4)
    membership = _random(5, 7, 4) > 0
    membership[0], membership[1] = True, False
    found = log_ratio(target, shadows, membership, a)
    for n in range(4):
        inside = shadows[membership[:, n], n].sigmoid().mean()
        outside = shadows[~membership[:, n], n].sigmoid().mean()
        prior = (inside + outside) / 2 if a is None else ((1 + a) * outside + 1 - a) / 2
        assert float(found[n]) == pytest.approx(float((target[n].sigmoid() / prior).log()))
