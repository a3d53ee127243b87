"""A task that the catalogue does not have: boxes, by a double in one file, trained in every way."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import nn

from privbench.core.criterion import PerSampleLoss
from privbench.core.errors import DataError
from privbench.core.model import Model
from privbench.core.task import Task
from privbench.core.training import PrivacySettings, TrainingConfig, TrainingJob
from privbench.training.many import train_many
from privbench.training.modules import load_module
from privbench.training.predict import answers
from privbench.training.train import train

SIDE, CELLS, MOST = 16, 4, 3


class Boxes(Task):
    """Where squares are. Labels: float [N, MOST, 5] (there or not, centre x, y, width, height), in [0, 1].

    The image is a grid of cells. An output is a cell's logit of holding a centre, and the box.
    """

    registry_name = "boxes"
    utility = "box-utility"
    augmentable = False

    def labels(self, data):
        return data.labels

    def outputs(self, dataset):
        return 5 * CELLS**2

    def check(self, labels, count, outputs):
        if not labels.is_floating_point() or labels.shape != (count, MOST, 5):
            raise DataError(f"boxes must be floats of shape [{count}, {MOST}, 5]")

    def criterion(self, label_smoothing=0.0, reduction="mean"):
        return PerSampleLoss(centre_loss, reduction)

    def answer(self, outputs):
        cells = outputs.unflatten(1, (CELLS**2, 5))
        return torch.cat([nn.functional.logsigmoid(cells[..., :1]), cells[..., 1:]], -1)


def centre_loss(outputs, labels):
    cells = outputs.unflatten(1, (CELLS**2, 5))
    column, row = (labels[..., 1:3] * CELLS).floor().clamp(0, CELLS - 1).unbind(-1)
    # [N, MOST, CELLS²]: which cell each box belongs to; padding to none.
    own = (torch.arange(CELLS**2) == (row * CELLS + column)[..., None]) * labels[..., :1]
    heat = nn.functional.binary_cross_entropy_with_logits(cells[..., 0], own.amax(1), reduction="none").sum(1)
    apart = (cells[:, None, :, 1:] - labels[:, :, None, 1:]).abs().sum(-1)
    return heat + 5 * (apart * own).sum((1, 2))


class Detector(Model):
    """Two strided convolutions down to the cells, and a head for each."""

    registry_name = "detector"

    def build(self, shape, outputs):
        return nn.Sequential(
            nn.Conv2d(shape[0], 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(32, outputs // CELLS**2, 1),
            nn.Flatten(2),
            Swap(),
            nn.Flatten(1),
        )

    def feature_layers(self):
        return ("2",)


class Swap(nn.Module):
    def forward(self, cells):
        return cells.transpose(1, 2)


def scenes(count, seed):
    """Images with one or two bright squares, one in the left and one in the right half."""
    draw = torch.Generator().manual_seed(seed)
    images = 0.2 * torch.rand(count, 1, SIDE, SIDE, generator=draw)
    labels = torch.zeros(count, MOST, 5)
    for i in range(count):
        for box in range(int(torch.randint(1, 3, (), generator=draw))):
            size, y, x = (
                int(torch.randint(low, high, (), generator=draw)) for low, high in ((3, 6), (0, 11), (0, 4))
            )
            x += box * SIDE // 2
            images[i, 0, y : y + size, x : x + size] = 0.9
            labels[i, box] = torch.tensor([SIDE, x + size / 2, y + size / 2, size, size]) / SIDE
    return images, labels


def job(seed=0, count=96, **changes):
    images, labels = scenes(count, seed)
    config = TrainingConfig(epochs=25, batch_size=16, optimizer="adam", lr=1e-2)
    made = TrainingJob(
        model=Detector(), task=Boxes(), config=config, images=images[None], labels=labels,
        outputs=5 * CELLS**2, seed=seed,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def overlap(found, true):
    """Intersection over union of boxes [N, 4]: centre x, y, width, height."""
    low = torch.maximum(found[:, :2] - found[:, 2:] / 2, true[:, :2] - true[:, 2:] / 2)
    high = torch.minimum(found[:, :2] + found[:, 2:] / 2, true[:, :2] + true[:, 2:] / 2)
    both = (high - low).clamp(min=0).prod(1)
    return both / (found[:, 2:].prod(1) + true[:, 2:].prod(1) - both)


def test_boxes_are_learned():
    trained = train(job(count=300), "cpu")
    assert trained.losses[-1] < 0.25 * trained.losses[0]
    module = load_module(Detector(), (1, SIDE, SIDE), 80, trained.weights, "cpu")
    images, labels = scenes(100, 7)
    answer = answers(module, images, Boxes())
    assert answer.shape == (100, 16, 5)
    best = answer[torch.arange(100), answer[..., 0].argmax(1), 1:]
    right = torch.stack([overlap(best, labels[:, box, 1:]) * labels[:, box, 0] for box in range(2)]).amax(0)
    assert float(right.median()) > 0.5


def test_every_way_of_training_gives_the_same_detector(monkeypatch):
    monkeypatch.setenv("PRIVBENCH_WORKERS", "2")
    jobs = [job(seed, 96 + 16 * seed) for seed in range(3)]
    serial, batched, processes = (train_many(jobs, "cpu", way) for way in ("serial", "batched", "processes"))
    for one, stacked, other in zip(serial, batched, processes, strict=True):
        assert all(torch.equal(one.weights[k], other.weights[k]) for k in one.weights)
        assert one.losses == other.losses
        assert one.losses[0] == pytest.approx(stacked.losses[0], rel=1e-4)
        assert stacked.losses[-1] < 0.5 * stacked.losses[0]


def test_the_batched_way_is_taken(monkeypatch):
    from privbench.training import batched

    sizes, real = [], batched.train_chunk
    monkeypatch.setattr(
        batched, "train_chunk", lambda jobs, device: sizes.append(len(jobs)) or real(jobs, device)
    )
    short = TrainingConfig(epochs=1)
    train_many([job(seed, config=short) for seed in range(2)], "cpu", "batched")
    assert sizes == [2]


def test_boxes_train_privately_and_alike_in_both_modes():
    settings = {"noise_multiplier": 0.0, "delta": 1e-3, "max_grad_norm": 5.0}
    one, other = (
        train(job(config=TrainingConfig(epochs=2), privacy=PrivacySettings(mode=mode, **settings)), "cpu")
        for mode in ("hooks", "ghost")
    )
    assert all(torch.allclose(one.weights[k], other.weights[k], atol=1e-4) for k in one.weights)


def test_images_of_boxes_are_not_moved_and_bad_boxes_are_refused():
    with pytest.raises(DataError, match=r"'boxes' say where in an image.*augment=False"):
        train(job(config=TrainingConfig(augment=True)), "cpu")
    with pytest.raises(DataError, match=r"shape \[96, 3, 5\]"):
        train(dataclasses.replace(job(), labels=torch.zeros(96, dtype=torch.int64)), "cpu")
