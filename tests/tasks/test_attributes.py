"""Several binary attributes: the loss, what is learned, and the metrics of usefulness."""

from __future__ import annotations

import pytest
import torch
from sklearn.metrics import log_loss, matthews_corrcoef

from privbench.core import registry
from privbench.core.dataset import Dataset
from privbench.core.errors import DataError, PrivbenchError
from privbench.core.game import Truth
from privbench.core.images import LabelledImages
from privbench.core.metric import ScoringContext
from privbench.core.training import PrivacySettings, TrainingConfig, TrainingJob
from privbench.stats.bootstrap import resample_weights
from privbench.tasks.attributes import Attributes
from privbench.training.many import train_many
from privbench.training.modules import load_module
from privbench.training.predict import answers
from privbench.training.train import train

TASK = Attributes()
CPU = ScoringContext(torch.device("cpu"))


def faces(count=300, seed=0):
    """Images on which three things are there or not, like glasses, a beard and a hat: [N, 1, 16, 16]."""
    draw = torch.Generator().manual_seed(seed)
    attributes = torch.randint(0, 2, (count, 3), generator=draw)
    images = 0.3 * torch.rand(count, 1, 16, 16, generator=draw)
    for column, (rows, columns) in enumerate(
        ((slice(5, 7), slice(2, 14)), (slice(11, 15), slice(5, 11)), (slice(0, 3), slice(0, 16)))
    ):
        images[:, 0, rows, columns] += 0.5 * attributes[:, column, None, None]
    return LabelledImages(images, torch.zeros(count, dtype=torch.int64), attributes=attributes)


def job(data, seed=0, privacy=None, **config):
    return TrainingJob(
        model=registry.create("model", "cnn"),
        task=TASK,
        config=TrainingConfig(**{"epochs": 12, "batch_size": 32, **config}),
        images=data.images[None],
        labels=TASK.labels(data),
        outputs=3,
        seed=seed,
        privacy=privacy,
    )


def value(name, truth, guess):
    metric = registry.create("metric", name)
    columns = metric.columns(truth, guess, CPU)
    return float(metric.statistic(columns, torch.ones(1, len(guess), dtype=torch.float64)))


def test_the_loss_is_the_mean_log_loss_of_the_attributes():
    data = faces(40)
    outputs = torch.randn(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    each = [log_loss(data.attributes[:, t], outputs[:, t].sigmoid(), labels=[0, 1]) for t in range(3)]
    assert float(TASK.criterion()(outputs, data.attributes)) == pytest.approx(sum(each) / 3, rel=1e-10)
    smooth = data.attributes * 0.8 + 0.1
    reference = torch.nn.BCEWithLogitsLoss()(outputs, smooth.double())
    assert float(TASK.criterion(0.2)(outputs, data.attributes)) == pytest.approx(float(reference), rel=1e-6)
    assert float(TASK.criterion()(outputs, smooth)) == pytest.approx(float(reference), rel=1e-6)


def test_an_attribute_s_value_is_the_index_of_its_log_probability():
    outputs = torch.tensor([[3.0, -2.0]])
    answer = TASK.answer(outputs)
    assert answer.shape == (1, 2, 2)
    assert answer.argmax(-1).tolist() == [[1, 0]]
    assert torch.allclose(answer[..., 1].exp(), outputs.sigmoid())


def test_attributes_are_learned_whatever_the_way():
    data, unseen = faces(), faces(seed=1)
    jobs = [job(data, seed) for seed in range(2)]
    truth = Truth(originals=unseen)
    found = []
    for way in ("serial", "batched"):
        for trained in train_many(jobs, "cpu", way):
            module = load_module(jobs[0].model, (1, 16, 16), 3, trained.weights, "cpu")
            found.append(answers(module, unseen.images, TASK))
            assert found[-1].shape == (300, 3, 2)
            assert value("mean-mcc", truth, found[-1]) > 0.9
            assert value("mean-accuracy", truth, found[-1]) > 0.95
    assert float((found[0] - found[2]).abs().max()) < 1e-2
    blank = unseen.images * 0
    assert value("mean-mcc", truth, answers(module, blank, TASK)) == 0.0


def test_private_training_of_attributes_agrees_in_both_modes():
    data = faces(64)
    settings = {"noise_multiplier": 0.0, "delta": 1e-3, "max_grad_norm": 0.5}
    one, other = (
        train(job(data, privacy=PrivacySettings(mode=mode, **settings), epochs=2, label_smoothing=0.1), "cpu")
        for mode in ("hooks", "ghost")
    )
    assert all(torch.allclose(one.weights[k], other.weights[k], atol=1e-4) for k in one.weights)
    assert one.losses == pytest.approx(other.losses, rel=1e-4)


def test_mean_mcc_equals_scikit_learn_and_its_weights_are_repetitions():
    draw = torch.Generator().manual_seed(2)
    attributes = torch.randint(0, 2, (60, 4), generator=draw)
    logits = torch.randn(60, 4, generator=draw) + attributes
    truth = Truth(
        originals=LabelledImages(torch.zeros(60, 1, 8, 8), torch.zeros(60).long(), attributes=attributes)
    )
    metric = registry.create("metric", "mean-mcc")
    columns = metric.columns(truth, TASK.answer(logits), CPU)
    weights = resample_weights(60, None, 5, 0)
    for row, found in zip(weights, metric.statistic(columns, weights), strict=True):
        index = torch.arange(60).repeat_interleave(row.long())
        each = [matthews_corrcoef(attributes[index, t], logits[index, t] > 0) for t in range(4)]
        assert float(found) == pytest.approx(sum(each) / 4, abs=1e-12)
    right = ((logits > 0) == attributes.bool()).double().mean()
    assert value("mean-accuracy", truth, TASK.answer(logits)) == pytest.approx(float(right), abs=1e-12)


@pytest.mark.parametrize("name", ["mean-mcc", "mean-accuracy"])
def test_answers_that_do_not_fit_are_refused(name):
    metric, data = registry.create("metric", name), faces(10)
    good = TASK.answer(torch.zeros(10, 3))
    for bad, message in (
        (good[:9], r"shape \(9, 3, 2\)"),
        (good[..., 0], r"\[N, A, 2\]"),
        (good * torch.nan, "NaN"),
    ):
        with pytest.raises(PrivbenchError, match=message):
            metric.columns(Truth(originals=data), bad, CPU)
    without = LabelledImages(data.images, data.labels)
    with pytest.raises(DataError, match="have no attributes"):
        metric.columns(Truth(originals=without), good, CPU)


def test_data_without_attributes_are_refused_in_a_sentence():
    data = LabelledImages(torch.zeros(4, 1, 16, 16), torch.arange(4) % 2)
    for ask in (lambda: TASK.labels(data), lambda: TASK.outputs(Dataset(data, ("a", "b"), (), False, ""))):
        with pytest.raises(DataError, match="these images have none"):
            ask()
