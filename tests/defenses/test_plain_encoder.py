"""Released features of every model of the zoo, and what the depth of a layer is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import pytest
import torch
from federated import CPU, SHAPE, mnist, model_of

from privbench.core import registry
from privbench.core.deployment import Deployment
from privbench.core.surface import Surface, Tensors
from privbench.core.threat import Knowledge
from privbench.core.trainer import Trainer
from privbench.core.training import TrainingConfig
from privbench.core.view import AdversaryView
from privbench.games.reconstruction import ReconstructionChallenge
from privbench.metrics.psnr import psnr
from privbench.metrics.ssim import ssim
from privbench.tasks.classes import Classes
from privbench.training.modules import build_defended, load_defended
from privbench.training.train import train

MODELS = ["cnn", "mlp", "mobilenet", "resnet", "shufflenet", "swin", "vgg", "vit"]
DEPTHS = {"stage1": 8 * 14 * 14, "stage2": 16 * 7 * 7, "flat": 16 * 7 * 7, "hidden": 64}


def surface() -> Surface:
    return registry.create("surface", "features")


@cache
def deployed(layer: str) -> Deployment:
    """A small classifier, trained on 400 digits; the same weights whatever the layer."""
    defense = registry.create("defense", f"plain-encoder[layer={layer}]" if layer else "plain-encoder")
    model, config = model_of("cnn"), TrainingConfig(epochs=8)
    trainer = Trainer(Classes(), model, config, 10, SHAPE, 3, 4, CPU, lambda job: train(job, CPU))
    trained = defense.fit(mnist()[:400], mnist()[:0], trainer)
    module = load_defended(defense, model, SHAPE, 10, trained.weights, CPU)
    return Deployment(defense, trained, module, model, Classes(), SHAPE, 10, 5, CPU)


@dataclass
class EncoderPort:
    deployment: Deployment

    def ask(self, name: str, inputs: Tensors) -> Tensors:
        assert name == "features"
        return surface().answer(self.deployment, inputs, 1)

    def progress(self, done: int, total: int, text: str) -> None:
        assert 0 <= done <= total


@cache
def inverted(layer: str, attack: str) -> tuple[float, float]:
    """PSNR and SSIM of the decoder's guesses for 100 private digits."""
    deployment, made = deployed(layer), registry.create("attack", attack)
    private = mnist()[:100]
    view = AdversaryView(
        defense=deployment.defense,
        game=registry.create("game", "reconstruction"),
        task=Classes(),
        model=deployment.model,
        config=TrainingConfig(),
        outputs=10,
        shape=SHAPE,
        attribute_names=(),
        scale="smoke",
        device=CPU,
        root_seed=9,
        needs=frozenset({"features"}),
        knowledge=frozenset({Knowledge.PUBLIC_PRIOR}),
        port=EncoderPort(deployment),
        public=mnist()[1000:1400],
    )
    released = surface().released(deployment, private, torch.arange(100))
    guess = made.guess(view, ReconstructionChallenge(100, SHAPE, releases={"features": released}))
    return float(psnr(guess, private.images).mean()), float(ssim(guess, private.images).mean())


def test_every_model_of_the_catalogue_is_tried_here() -> None:
    assert set(registry.names("model")) == set(MODELS)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
@pytest.mark.parametrize("name", MODELS)
def test_the_deepest_layer_of_every_model_is_released(name: str, shape: tuple[int, int, int]) -> None:
    defense, model = registry.create("defense", "plain-encoder"), model_of(name)
    module = build_defended(defense, model, shape, 10, 0).eval()
    images = torch.rand(5, *shape, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = defense.encode(model, module, images, defense.keys(0, 5))
    assert features.dim() == 2
    assert len(features) == 5
    assert features.dtype == torch.float32
    assert torch.isfinite(features).all()
    assert features.unique(dim=0).shape[0] == 5, "the images are no longer told apart"


@pytest.mark.parametrize("layer", DEPTHS)
def test_every_layer_of_the_default_model_is_released(layer: str) -> None:
    data = mnist()[:6]
    assert surface().released(deployed(layer), data, torch.arange(6)).shape == (6, DEPTHS[layer])


def test_the_layer_is_the_deepest_unless_it_is_named() -> None:
    data, index = mnist()[:6], torch.arange(6)
    released = [surface().released(deployed(layer), data, index) for layer in ("", "hidden", "stage1")]
    assert torch.equal(released[0], released[1])
    assert released[2].shape[1] > released[0].shape[1]


def test_a_shallow_layer_gives_images_away_and_a_deep_one_less() -> None:
    shallow, deep = (inverted(layer, "decoder[steps=100,width=16]") for layer in ("stage1", "hidden"))
    assert shallow[0] > deep[0] + 3
    assert shallow[1] > deep[1] + 0.1


def test_what_a_deep_layer_keeps_is_far_above_the_mean_image() -> None:
    images = mnist().images
    mean = images[1000:1400].mean(0).expand(100, -1, -1, -1)
    deep = inverted("hidden", "decoder[steps=100,width=16]")
    assert deep[0] > float(psnr(mean, images[:100]).mean()) + 2
    assert deep[1] > float(ssim(mean, images[:100]).mean()) + 0.3


def test_the_encoder_was_taught_the_task() -> None:
    test = mnist()[2000:2500]
    with torch.inference_mode():
        answers = deployed("").module(test.images).argmax(1)
    assert float((answers == test.labels).double().mean()) > 0.7
