"""Deployments, simulators and views for testing attacks without defenses or the runner."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from sklearn.datasets import load_digits

from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.seeds import derive_seed
from privbench.core.threat import Surface
from privbench.core.view import AdversaryView, Deployment

CPU = torch.device("cpu")


def digits(side: int = 16) -> LabelledImages:
    """scikit-learn's 1,797 real digits, 8x8, enlarged to ``side``, in a fixed random order.

    Attributes: whether the digit is odd, whether it is below five.
    """
    data = load_digits()
    images = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(data.target, dtype=torch.int64)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(7))
    images = torch.nn.functional.interpolate(images, size=(side, side), mode="bilinear")
    attributes = torch.stack([labels % 2, (labels < 5).long()], 1)
    return LabelledImages(images[order], labels[order], None, attributes[order])


def shuffle(images: torch.Tensor, keys_seed: int, window: int) -> torch.Tensor:
    """Pixels of each window permuted, a new permutation for each image, channel and window."""
    n, c, h, w = images.shape
    rows, columns = h // window, w // window
    tiles = images.reshape(n, c, rows, window, columns, window).permute(0, 1, 2, 4, 3, 5)
    tiles = tiles.reshape(n, c, rows * columns, window * window)
    order = Keys.fresh(keys_seed, n, images.device).permutation(c, rows * columns, window * window)
    mixed = tiles.gather(-1, order).reshape(n, c, rows, columns, window, window)
    return mixed.permute(0, 1, 2, 4, 3, 5).reshape(n, c, h, w)


def noise(images: torch.Tensor, keys_seed: int) -> torch.Tensor:
    """Uniform noise that has nothing to do with the images."""
    return Keys.fresh(keys_seed, len(images), images.device).uniform(*images.shape[1:])


class NeighbourModel:
    """A kernel classifier: closed form, so that no training is needed, and it memorises."""

    def __init__(self, data: LabelledImages, classes: int = 10) -> None:
        self.points = data.images.flatten(1)
        self.votes = torch.nn.functional.one_hot(data.labels, classes).float()

    def log_probs(self, images: torch.Tensor, jitter: torch.Tensor) -> torch.Tensor:
        distance = torch.cdist(images.flatten(1), self.points)
        kernel = torch.exp(-(distance**2) / 2)
        logits = (kernel @ self.votes + 0.05).log() + 0.2 * jitter
        return logits.log_softmax(-1)


@dataclass
class FakeShadows:
    membership: torch.Tensor
    models: list[NeighbourModel]
    seed: int

    def log_probs(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        answers = []
        for k, model in enumerate(self.models):
            keys = Keys.fresh(derive_seed(self.seed, "draw", k, draw), len(images))
            answers.append(model.log_probs(images, keys.normal(10)))
        return torch.stack(answers)


@dataclass
class FakeSimulator:
    transform: Callable[[torch.Tensor, int], torch.Tensor]
    leaky: bool
    public: LabelledImages
    seed: int
    asked: list[int] = field(default_factory=list)

    def protect(self, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
        return self.transform(images, keys_seed)

    def shadows(self, data: LabelledImages, count: int) -> FakeShadows:
        self.asked.append(count)
        generator = torch.Generator().manual_seed(derive_seed(self.seed, "shadows"))
        membership = torch.rand(count, len(data), generator=generator) < 0.5
        halves = [data[mask] if self.leaky else self.public for mask in membership]
        return FakeShadows(membership, [NeighbourModel(half) for half in halves], self.seed)


@dataclass
class World:
    """A view with everything that a test needs to score an attack on it."""

    view: AdversaryView
    simulator: FakeSimulator
    candidates: LabelledImages
    members: torch.Tensor
    private: LabelledImages
    released: torch.Tensor


def make_world(leaky: bool = True, seed: int = 0, window: int = 4, scale: str = "smoke") -> World:
    """Real digits behind a memorising model and a pixel shuffle, or (null) behind noise."""
    data = digits()
    candidates, auxiliary = data[:600], data[600:1000]
    generator = torch.Generator().manual_seed(derive_seed(seed, "members"))
    members = torch.rand(len(candidates), generator=generator) < 0.5
    private = candidates[members]
    model = NeighbourModel(private if leaky else auxiliary)

    def transform(images: torch.Tensor, keys_seed: int) -> torch.Tensor:
        return shuffle(images, keys_seed, window) if leaky else noise(images, keys_seed)

    def scores(images: torch.Tensor, query: int) -> torch.Tensor:
        keys = Keys.fresh(derive_seed(seed, "defender", query), len(images))
        return model.log_probs(images, keys.normal(10))

    deployment = Deployment(
        frozenset({Surface.IMAGES, Surface.PROTECT, Surface.SCORES}),
        scores=scores,
        protect=lambda images, query: transform(images, derive_seed(seed, "oracle", query)),
    )
    simulator = FakeSimulator(transform, leaky, auxiliary, derive_seed(seed, "adversary"))
    view = AdversaryView(
        deployment, auxiliary, simulator, 10, ("odd", "low"), scale, CPU, derive_seed(seed, "view")
    )
    shown = private[:100]
    return World(view, simulator, candidates, members, shown, transform(shown.images, derive_seed(seed, "k")))


def auc(scores: torch.Tensor, members: torch.Tensor) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(members.numpy(), scores.numpy()))
