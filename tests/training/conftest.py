"""A tiny strided CNN and real digits for the training tests."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from privbench.core.model import Model
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.tasks.classes import Classes


class TinyCnn(Model):
    """Two strided convolutions; ``norm`` and ``dropout`` bring in what cannot be batched."""

    registry_name = "tiny-cnn"
    width: int = 4
    norm: str = "none"
    dropout: float = 0.0

    def build(self, shape, outputs):
        channels, height, width = shape
        hidden = self.width * 2 * -(-height // 4) * -(-width // 4)
        norm = {
            "none": nn.Identity,
            "batch": lambda: nn.BatchNorm2d(self.width),
            "group": lambda: nn.GroupNorm(2, self.width),
        }[self.norm]
        return nn.Sequential(
            nn.Conv2d(channels, self.width, 3, stride=2, padding=1),
            norm(),
            nn.ReLU(),
            nn.Conv2d(self.width, 2 * self.width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(self.dropout) if self.dropout else nn.Identity(),
            nn.Linear(hidden, outputs),
        )

    def feature_layers(self):
        return ("3",)


@pytest.fixture(scope="session")
def digits():
    """Real digits, float32 [1797, 1, 8, 8] in [0, 1], and their labels."""
    data = load_digits()
    images = torch.tensor(data.images / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(data.target, dtype=torch.int64)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    return images[order], labels[order]


@pytest.fixture(scope="session")
def tiny():
    return TinyCnn


@pytest.fixture
def make_job(digits, tiny):
    """Build a job on the first ``count`` digits; keywords go to the training configuration."""

    def make(
        count=120,
        seed=0,
        model=None,
        privacy=None,
        versions=1,
        start=0,
        dtype=torch.float32,
        task=None,
        **config,
    ):
        images, labels = (values[start : start + count] for values in digits)
        stack = torch.stack([images.roll(v, 3) for v in range(versions)]).to(dtype)
        settings = {"epochs": 2, "batch_size": 32, **config}
        return TrainingJob(
            model=model or tiny(),
            task=task or Classes(),
            config=TrainingConfig(**settings),
            images=stack,
            labels=labels,
            outputs=10,
            seed=seed,
            privacy=privacy,
        )

    return make
