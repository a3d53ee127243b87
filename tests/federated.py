"""Real digits, trainers and views for testing federated learning without the engine."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from privbench.core import registry
from privbench.core.defense import Defense
from privbench.core.deployment import Deployment
from privbench.core.images import LabelledImages
from privbench.core.model import Model
from privbench.core.port import Tensors
from privbench.core.surface import Surface
from privbench.core.trainer import Trainer
from privbench.core.training import TrainedModel, TrainingConfig
from privbench.core.view import AdversaryView
from privbench.games.reconstruction import Reconstruction, ReconstructionAttack, ReconstructionChallenge
from privbench.tasks.classes import Classes
from privbench.training.modules import load_module

CPU = torch.device("cpu")
SHAPE = (1, 28, 28)


@cache
def mnist() -> LabelledImages:
    """MNIST-5k in a fixed random order."""
    data = registry.create("dataset", "mnist-5k").load().data
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1))
    return data[order]


def model_of(selector: str) -> Model:
    return registry.create("model", selector)


def trainer(model: str | Model = "cnn", seed: int = 3) -> Trainer:
    """What a defense is fitted with; training by the run's own way is refused."""
    made = model_of(model) if isinstance(model, str) else model
    return Trainer(Classes(), made, TrainingConfig(), 10, SHAPE, seed, seed + 1, CPU, train=None)


def fitted(defense: str, data: LabelledImages, model: str | Model = "cnn", seed: int = 3) -> TrainedModel:
    return registry.create("defense", defense).fit(data, data[:0], trainer(model, seed))


def deployed(defense: Defense | str, weights: Tensors, model: str = "cnn") -> Deployment:
    """A defense in service with given weights, whatever made them."""
    made = registry.create("defense", defense) if isinstance(defense, str) else defense
    module = load_module(model_of(model), SHAPE, 10, weights, CPU)
    return Deployment(
        made, TrainedModel(dict(weights), (), 0.0, {}), module, model_of(model), Classes(), SHAPE, 10, 5, CPU
    )


def sent(deployment: Deployment, data: LabelledImages) -> torch.Tensor:
    """The updates of clients that hold one image each."""
    surface = registry.create("surface", "updates")
    assert isinstance(surface, Surface)
    return surface.released(deployment, data, torch.arange(len(data)))


@dataclass
class WeightsPort:
    """Hands over the weights, and nothing else."""

    deployment: Deployment

    def ask(self, surface: str, inputs: Tensors) -> Tensors:
        assert surface == "weights"
        return registry.create("surface", "weights").answer(self.deployment, inputs, 1)

    def progress(self, done: int, total: int, text: str) -> None:
        assert 0 <= done <= total


def view_of(deployment: Deployment, attack: ReconstructionAttack) -> AdversaryView:
    return AdversaryView(
        defense=deployment.defense,
        game=Reconstruction(),
        task=deployment.task,
        model=deployment.model,
        config=TrainingConfig(),
        outputs=10,
        shape=SHAPE,
        attribute_names=(),
        scale="smoke",
        device=CPU,
        root_seed=9,
        needs=attack.required_surfaces,
        knowledge=attack.required_knowledge,
        port=WeightsPort(deployment),
    )


def reconstructed(deployment: Deployment, data: LabelledImages, attack: str) -> torch.Tensor:
    """What a reconstruction attack makes of the updates of ``data``."""
    made = registry.create("attack", attack)
    assert isinstance(made, ReconstructionAttack)
    challenge = ReconstructionChallenge(len(data), SHAPE, releases={"updates": sent(deployment, data)})
    return made.guess(view_of(deployment, made), challenge)


def ssim(guess: torch.Tensor, truth: torch.Tensor) -> float:
    """The mean structural similarity, by another library than the benchmark's."""
    from skimage.metrics import structural_similarity

    pairs = zip(guess[:, 0].numpy(), truth[:, 0].numpy(), strict=True)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    return sum(structural_similarity(a, b, **options) for a, b in pairs) / len(guess)
