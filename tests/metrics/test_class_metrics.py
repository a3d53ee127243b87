"""Feature and utility metrics against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, matthews_corrcoef, top_k_accuracy_score

from privbench.core.errors import PrivbenchError, UserError
from privbench.core.game import Truth
from privbench.core.images import LabelledImages
from privbench.core.metric import ScoringContext
from privbench.core.registry import create
from privbench.metrics._mcc import matthews
from privbench.stats.bootstrap import resample_weights

CPU = ScoringContext(torch.device("cpu"))


def labelled(labels):
    return Truth(originals=LabelledImages(torch.zeros(len(labels), 1, 16, 16), torch.as_tensor(labels)))


def attributes(seed=0, count=80, classes=(2, 5, 3)):
    rng = np.random.default_rng(seed)
    truth = np.stack([rng.integers(0, k, count) for k in classes], axis=1)
    noise = np.stack([rng.integers(0, k, count) for k in classes], axis=1)
    return torch.from_numpy(truth), torch.from_numpy(np.where(rng.random(truth.shape) < 0.5, truth, noise))


def value(metric, truth, guess):
    columns = metric.columns(truth, guess, CPU)
    (count,) = {len(column) for column in columns.values()}
    return float(metric.statistic(columns, torch.ones(1, count, dtype=torch.float64)))


def test_attribute_metrics_are_means_over_targets():
    hidden, guess = attributes()
    truth = Truth(attributes=hidden)
    pairs = list(zip(hidden.T.numpy(), guess.T.numpy(), strict=True))
    assert value(create("metric", "attribute-mcc"), truth, guess) == pytest.approx(
        np.mean([matthews_corrcoef(*pair) for pair in pairs]), abs=1e-12
    )
    assert value(create("metric", "attribute-accuracy"), truth, guess) == pytest.approx(
        np.mean([accuracy_score(*pair) for pair in pairs]), abs=1e-12
    )


@pytest.mark.parametrize("name", ["attribute-mcc", "attribute-accuracy"])
def test_attribute_weights_are_repetitions(name):
    hidden, guess = attributes()
    metric = create("metric", name)
    columns = metric.columns(Truth(attributes=hidden), guess, CPU)
    weights = resample_weights(80, None, 10, seed=1)
    together = metric.statistic(columns, weights)
    assert together.shape == (10,)
    assert together.dtype == torch.float64
    for row, weight in enumerate(weights):
        index = torch.repeat_interleave(torch.arange(80), weight.long())
        alone = value(metric, Truth(attributes=hidden[index]), guess[index])
        assert float(together[row]) == pytest.approx(alone, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4), st.floats(0.01, 5)), min_size=1, max_size=40),
)
def test_matthews_equals_scikit_learn(sample):
    truth, guess = (torch.tensor([row[i] for row in sample]) for i in (0, 1))
    weights = torch.tensor([[1.0] * len(sample), [row[2] for row in sample]], dtype=torch.float64)
    got = matthews(truth, guess, weights)
    for row in range(2):
        if len(truth.unique()) == 1:
            assert bool(got[row].isnan()), "nothing could be known"
        elif len(guess.unique()) == 1:
            assert float(got[row]) == 0.0
        else:
            wanted = matthews_corrcoef(truth, guess, sample_weight=weights[row].numpy())
            assert float(got[row]) == pytest.approx(wanted, abs=1e-9)
    if len(guess.unique()) > 1 < len(truth.unique()):
        assert float(matthews(guess, truth, weights)[0]) == pytest.approx(float(got[0]), abs=1e-12)
    renamed = matthews((truth + 2) % 5, (guess + 2) % 5, weights)
    assert torch.allclose(renamed, got, atol=1e-9, equal_nan=True)


def test_an_attribute_that_does_not_vary_leaves_the_mean_and_is_named():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randint(0, 2, (48, 4), generator=generator)
    hidden[:, 3] = 0
    metric = create("metric", "attribute-mcc")
    truth = Truth(attributes=hidden, names=("smiling", "glasses", "beard", "eyes_closed"))
    columns = metric.columns(truth, hidden, CPU)
    assert float(metric.statistic(columns, torch.ones(1, 48).double())) == 1.0
    assert metric.unresolved(columns) is None
    assert metric.caveat(columns, truth) == (
        "without eyes_closed (of 4 attributes): the same for all 48 samples"
    )
    assert "number 4" in metric.caveat(columns, Truth(attributes=hidden))
    still = metric.columns(Truth(attributes=hidden[:, 3:]), hidden[:, 3:], CPU)
    assert "no attribute varies" in metric.unresolved(still)
    assert metric.statistic(still, torch.ones(1, 48).double()).isnan().all()


@pytest.mark.parametrize("name", ["attribute-mcc", "attribute-accuracy", "mcc", "accuracy"])
def test_columns_that_were_stored_as_floats_give_the_same(name):
    hidden, guess = attributes()
    logits = torch.nn.functional.one_hot(guess[:, 1], 5).float()
    of_attributes = name.startswith("attribute")
    truth = Truth(attributes=hidden) if of_attributes else labelled(hidden[:, 1])
    metric = create("metric", name)
    columns = metric.columns(truth, guess if of_attributes else logits, CPU)
    weights = resample_weights(80, None, 5, seed=0)
    stored = {key: column.float().double() for key, column in columns.items()}
    assert torch.equal(metric.statistic(stored, weights), metric.statistic(columns, weights))


def test_perfect_constant_and_inverted_guesses():
    hidden = torch.tensor([[0], [1], [1], [0], [1]])
    metric = create("metric", "attribute-mcc")
    assert value(metric, Truth(attributes=hidden), hidden) == pytest.approx(1.0)
    assert value(metric, Truth(attributes=hidden), 1 - hidden) == pytest.approx(-1.0)
    assert value(metric, Truth(attributes=hidden), torch.ones_like(hidden)) == 0.0
    assert (
        value(create("metric", "attribute-accuracy"), Truth(attributes=hidden), torch.ones_like(hidden))
        == 0.6
    )


@pytest.mark.parametrize("name", ["attribute-mcc", "attribute-accuracy"])
def test_bad_attributes_are_errors(name):
    metric = create("metric", name)
    hidden = torch.tensor([[0], [1]])
    with pytest.raises(PrivbenchError, match="NaN"):
        metric.columns(Truth(attributes=hidden), torch.tensor([[0.0], [torch.nan]]), CPU)
    with pytest.raises(PrivbenchError, match="whole"):
        metric.columns(Truth(attributes=hidden), torch.tensor([[0.0], [0.5]]), CPU)
    with pytest.raises(PrivbenchError, match="whole"):
        metric.columns(Truth(attributes=hidden), torch.tensor([[0], [-1]]), CPU)
    with pytest.raises(PrivbenchError, match="shape"):
        metric.columns(Truth(attributes=hidden), torch.tensor([0, 1]), CPU)
    with pytest.raises(PrivbenchError, match="truth does not hold"):
        metric.columns(labelled([0, 1]), hidden, CPU)


@pytest.mark.parametrize("k", [1, 3, 5, 9])
def test_accuracy_equals_scikit_learn(k):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (300,), generator=generator)
    logits = torch.randn(300, 10, generator=generator) + 2 * torch.nn.functional.one_hot(labels, 10)
    wanted = top_k_accuracy_score(labels.numpy(), logits.numpy(), k=k, labels=range(10))
    assert value(create("metric", f"accuracy[k={k}]"), labelled(labels), logits) == pytest.approx(
        wanted, abs=1e-12
    )
    assert value(
        create("metric", f"accuracy[k={k}]"), labelled(labels), logits.log_softmax(1)
    ) == pytest.approx(wanted)


def test_accuracy_edges():
    labels, logits = torch.tensor([0, 2]), torch.tensor([[0.0, 1.0, 2.0], [0.0, 1.0, -torch.inf]])
    assert value(create("metric", "accuracy[k=3]"), labelled(labels), logits) == 1.0
    assert value(create("metric", "accuracy[k=50]"), labelled(labels), logits) == 1.0
    # One answer for every class says nothing: k of K.
    flat = torch.zeros(2, 3)
    assert value(create("metric", "accuracy"), labelled(labels), flat) == pytest.approx(1 / 3)
    assert value(create("metric", "accuracy[k=2]"), labelled(labels), flat) == pytest.approx(2 / 3)
    assert create("metric", "accuracy[k=5]").selector == "accuracy[k=5]"
    assert create("metric", "accuracy[k=1]").selector == "accuracy"
    with pytest.raises(UserError, match="k="):
        create("metric", "accuracy[k=0]")


def test_mcc_equals_scikit_learn_and_its_weights_are_repetitions():
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 4, (90,), generator=generator)
    logits = torch.randn(90, 4, generator=generator) + torch.nn.functional.one_hot(labels, 4)
    metric = create("metric", "mcc")
    wanted = matthews_corrcoef(labels, logits.argmax(1))
    assert value(metric, labelled(labels), logits) == pytest.approx(wanted, abs=1e-12)
    weights = resample_weights(90, None, 6, seed=0)
    together = metric.statistic(metric.columns(labelled(labels), logits, CPU), weights)
    for row, weight in enumerate(weights):
        index = torch.repeat_interleave(torch.arange(90), weight.long())
        assert float(together[row]) == pytest.approx(
            matthews_corrcoef(labels[index], logits[index].argmax(1)), abs=1e-12
        )


@pytest.mark.parametrize("name", ["accuracy", "mcc"])
def test_bad_logits_are_errors(name):
    metric = create("metric", name)
    for bad in (torch.nan, torch.inf):
        with pytest.raises(PrivbenchError, match="NaN or plus infinity"):
            metric.columns(labelled([0, 1]), torch.tensor([[0.0, 1.0], [bad, 1.0]]), CPU)
    with pytest.raises(PrivbenchError, match="outside the model's classes"):
        metric.columns(labelled([0, 2]), torch.zeros(2, 2), CPU)
    with pytest.raises(PrivbenchError, match="logits of shape"):
        metric.columns(labelled([0, 1]), torch.zeros(3, 2), CPU)


def test_declarations_agree_with_the_catalogue():
    from privbench.core.registry import find

    own = {
        "membership": ["auc", "balanced-accuracy", "tpr-at-1-fpr", "tpr-at-01-fpr"],
        "reconstruction": ["ssim", "psnr", "recognition", "lpips"],
        "attribute": ["attribute-mcc", "attribute-accuracy"],
        "utility": ["accuracy", "mcc"],
    }
    headlines = {
        "membership": "auc",
        "reconstruction": "ssim",
        "attribute": "attribute-mcc",
        "utility": "accuracy",
    }
    rating = {"auc", "ssim", "psnr", "recognition", "attribute-mcc"}
    for subject, names in own.items():
        classes = {name: find("metric", name) for name in names}
        assert {cls.subject for cls in classes.values()} == {subject}
        assert [name for name, cls in classes.items() if cls.headline] == [headlines[subject]]
        assert all(cls.rates == (name in rating) for name, cls in classes.items())
        assert all(cls.source and cls.__doc__ for cls in classes.values())
        if subject == "utility":
            assert {cls.higher_is for cls in classes.values()} == {"better"}
    assert find("metric", "lpips").higher_is == "private"
