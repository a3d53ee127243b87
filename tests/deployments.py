"""Deployments and cases on real digits, with an untrained model: for tests of surfaces and games."""

from __future__ import annotations

from functools import partial

import torch
from sklearn.datasets import load_digits

from privbench.core import registry
from privbench.core.defense import Defense
from privbench.core.deployment import Case, Deployment, Parts
from privbench.core.images import LabelledImages
from privbench.core.training import TrainedModel
from privbench.training.modules import build_defended

CPU = torch.device("cpu")
SHAPE = (1, 16, 16)
SHOWN = 30


def digits(count: int, attributes: bool = True) -> LabelledImages:
    """Real digits of 16 pixels a side; attributes: whether odd, whether below five."""
    data = load_digits()
    images = torch.tensor(data.images[:count], dtype=torch.float32)[:, None] / 16
    labels = torch.tensor(data.target[:count], dtype=torch.int64)
    held = torch.stack([labels % 2, (labels < 5).long()], 1) if attributes else None
    images = torch.nn.functional.interpolate(images, size=SHAPE[1:], mode="bilinear")
    return LabelledImages(images, labels, torch.arange(count) // 4, held)


def parts_of(count: int = 200, attributes: bool = True) -> Parts:
    data = digits(count + 40, attributes)
    members = torch.rand(count, generator=torch.Generator().manual_seed(1)) < 0.5
    names = ("odd", "low") if attributes else ()
    return Parts(data[:count], members, data[count:], data[count:], tuple("0123456789"), names)


def deployment_of(defense: str | Defense, task: str = "classes", keys_seed: int = 5) -> Deployment:
    if isinstance(defense, str):
        defense = registry.create("defense", defense)
    model = registry.create("model", "cnn")
    return Deployment(
        defense=defense,
        trained=TrainedModel({}, (), 0.0, {}),
        module=build_defended(defense, model, SHAPE, 10, 3).eval(),
        model=model,
        task=registry.create("task", task),
        shape=SHAPE,
        outputs=10,
        keys_seed=keys_seed,
        device=CPU,
    )


def case_of(deployment: Deployment, parts: Parts, given: int = 0, game=None) -> Case:
    """A case whose shown images are the first of a random order; ``given`` leave the pool of ``game``."""
    order = torch.randperm(int(parts.members.sum()), generator=torch.Generator().manual_seed(2))

    def release(surface, data, index):
        return registry.create("surface", surface).released(deployment, data, index)

    make = partial(Case, deployment, parts, order[:SHOWN], order)
    case = make(order[:0], release)
    return make(game.pool(case)[:given], release) if given else case
