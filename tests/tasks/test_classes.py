"""Classes and soft classes against the definition of cross-entropy."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.datasets import load_digits

from privbench.core import registry
from privbench.core.dataset import Dataset
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.tasks.classes import Classes
from privbench.training.many import train_many
from privbench.training.train import train

TASK = Classes()


def random_case(count=30, classes=5, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(count, classes)),
        rng.integers(0, classes, count),
        rng.dirichlet(np.ones(classes), count),
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_the_loss_is_the_definition(smoothing):
    logits, labels, soft = random_case()
    log_probs = log_softmax(logits, axis=1)
    for given, target in ((labels, np.eye(5)[labels]), (soft, soft)):
        wanted = -((target * (1 - smoothing) + smoothing / 5) * log_probs).sum(axis=1)
        found = TASK.criterion(smoothing, "none")(torch.tensor(logits), torch.tensor(given))
        assert found.numpy() == pytest.approx(wanted, rel=1e-12)
    assert TASK.answer(torch.tensor(logits)).numpy() == pytest.approx(log_probs, rel=1e-12)


def digits_job(**changes):
    data = load_digits()
    images = torch.tensor(data.images[:200] / 16, dtype=torch.float32)[None, :, None]
    images = torch.nn.functional.interpolate(images[0], scale_factor=2)[None]
    labels = torch.tensor(data.target[:200], dtype=torch.int64)
    job = TrainingJob(
        model=registry.create("model", "cnn"),
        task=TASK,
        config=TrainingConfig(epochs=3, batch_size=40, label_smoothing=0.1),
        images=images,
        labels=labels,
        outputs=10,
        seed=0,
    )
    return dataclasses.replace(job, **changes)


def weights(trained):
    return torch.cat([value.flatten() for value in trained.weights.values()])


def test_soft_labels_that_are_one_hot_train_as_hard_ones():
    job = digits_job()
    hard = train(job, "cpu")
    one_hot = torch.nn.functional.one_hot(job.labels, 10).float()
    soft = train(digits_job(labels=one_hot), "cpu")
    assert float((weights(hard) - weights(soft)).abs().max()) < 1e-5
    assert hard.losses == pytest.approx(soft.losses, rel=1e-5)


def test_mixed_labels_train_alike_one_by_one_and_batched():
    job = digits_job()
    one_hot = torch.nn.functional.one_hot(job.labels, 10).float()
    mixed = 0.7 * one_hot + 0.3 * one_hot.roll(1, 0)
    jobs = [digits_job(labels=mixed, seed=s) for s in range(2)]
    serial, batched = (train_many(jobs, "cpu", way) for way in ("serial", "batched"))
    for one, other in zip(serial, batched, strict=True):
        assert float((weights(one) - weights(other)).abs().max()) < 1e-4
    # Hard and soft labels do not fit into one table, and need not.
    both = train_many([job, digits_job(seed=1), *jobs], "cpu", "batched")
    assert float((weights(both[2]) - weights(serial[0])).abs().max()) < 1e-4
    assert float((weights(both[0]) - weights(both[2])).abs().max()) > 1e-3


def test_soft_labels_are_checked():
    soft = torch.full((6, 4), 0.25)
    TASK.check(soft, 6, 4)
    TASK.check(soft.double(), 6, 4)
    for bad, message in (
        (soft[:5], r"shape \[6, 4\], a row for each image and a column for each class, not \[5, 4\]"),
        (soft[:, :3], r"shape \[6, 4\]"),
        (soft * 2, "sum to 1"),
        (soft - torch.tensor([0.5, -0.5, 0, 0]), "the least is -0.25"),
        (soft * torch.nan, "sum to 1"),
    ):
        with pytest.raises(DataError, match=message):
            TASK.check(bad, 6, 4)


def test_a_single_class_is_no_task():
    data = LabelledImages(torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(DataError, match="names 1 classes"):
        TASK.outputs(Dataset(data, ("only",), (), False, ""))
