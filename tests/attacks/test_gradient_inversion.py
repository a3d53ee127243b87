"""Laws of gradient inversion on real digits: exact where it can be, close elsewhere, nothing from noise."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from federated import SHAPE, deployed, fitted, mnist, model_of, reconstructed, ssim

from privbench.attacks._first_layer import images_from_first_layer
from privbench.attacks._gradient_matching import Matching, _Cosine
from privbench.attacks._last_layer import labels_from_last_layer
from privbench.core.defense import FederatedDefense
from privbench.core.errors import PrivbenchError
from privbench.defenses.fedavg import FedAvg
from privbench.tasks.classes import Classes
from privbench.training.client_updates import gradients, local_changes
from privbench.training.modules import build_module

HELD = mnist()[4000:]
FLOOR = 0.21
"""SSIM of the constant image that is most similar to MNIST's digits."""


def fresh(model="cnn"):
    """Weights before the first round."""
    return build_module(model_of(model), SHAPE, 10, 0).state_dict()


@pytest.fixture(scope="module")
def trained():
    return fitted("fedavg[rounds=4]", mnist()[:800]).weights


@pytest.mark.parametrize("model", ["mlp", "mlp[depth=3,width=20]"])
@pytest.mark.parametrize("defense", ["none", "fedavg[epochs=1]", "fedavg", "fedavg[epochs=50,lr=0.5]"])
def test_a_first_linear_layer_gives_the_image_exactly(model, defense):
    data = HELD[:8]
    found = reconstructed(deployed(defense, fresh(model), model), data, "gradient-inversion")
    torch.testing.assert_close(found, data.images, rtol=0, atol=1e-3)
    assert ssim(found, data.images) > 0.9999


def test_a_model_that_is_sure_gives_the_image_all_the_same():
    weights, data = fresh("mlp"), HELD[:8]
    weights["head.bias"][int(data.labels[0])] += 30.0
    found = reconstructed(deployed("none", weights, "mlp"), data[:1], "gradient-inversion")
    torch.testing.assert_close(found, data.images[:1], rtol=0, atol=1e-3)


def test_only_a_layer_that_sees_the_pixels_themselves_is_read_off():
    class Halved(torch.nn.Module):
        def forward(self, images):
            return images.flatten(1) / 2

    sees = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    other = torch.nn.Sequential(Halved(), torch.nn.Linear(784, 10))
    no_bias = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10, bias=False))
    data = HELD[:2]
    for module, found in ((sees, True), (other, False), (no_bias, False)):
        made = gradients(module, Classes(), data.images, data.labels)
        assert (images_from_first_layer(module, made, SHAPE) is not None) == found


@pytest.mark.parametrize("epochs", [1, 5])
@pytest.mark.parametrize("model", ["cnn", "mlp", "vit"])
def test_labels_are_read_off_the_last_bias(model, epochs):
    module, data = build_module(model_of(model), SHAPE, 10, 0).eval(), HELD[:40]
    made = local_changes(module, Classes(), data.images, data.labels, epochs, 0.1)
    assert torch.equal(labels_from_last_layer(module, made), data.labels)


@pytest.mark.parametrize("act", [torch.nn.ReLU, torch.nn.Tanh, torch.nn.Identity])
def test_labels_are_read_off_a_head_without_bias(act):
    # Tanh and the identity have features of both signs, whose sum tells nothing.
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 30), act(), torch.nn.Linear(30, 10, bias=False)
    )
    data = HELD[:40]
    made = -gradients(module, Classes(), data.images, data.labels)
    assert torch.equal(labels_from_last_layer(module, made), data.labels)


def test_labels_of_two_classes_are_read_off_a_head_without_bias():
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(784, 30), torch.nn.ReLU(), torch.nn.Linear(30, 2, bias=False)
    )
    odd = HELD.labels[:40] % 2
    made = -gradients(module, Classes(), HELD.images[:40], odd)
    assert torch.equal(labels_from_last_layer(module, made), odd)


def test_a_model_without_a_linear_layer_is_named():
    with pytest.raises(PrivbenchError, match="no linear layer"):
        labels_from_last_layer(torch.nn.Conv2d(1, 1, 1), torch.zeros(1, 2))


def test_digits_come_back_from_a_convolutional_network(trained):
    data = HELD[:6]
    deployment = deployed("none", trained)
    found = reconstructed(deployment, data, "gradient-inversion[steps=150]")
    assert ssim(found, data.images) > 2 * FLOOR
    again = reconstructed(deployment, data, "gradient-inversion[steps=150]")
    assert torch.equal(found, again)


def test_nothing_comes_back_from_noise(trained):
    data = HELD[:6]
    found = reconstructed(deployed("blackout", trained), data, "gradient-inversion[steps=60]")
    assert ssim(found, data.images) < FLOOR / 2


def test_an_adversary_that_forgets_the_local_steps_does_worse():
    # Five steps from the first round's weights are far from five gradients.
    data, deployment = HELD[:3], deployed("fedavg", fresh())
    found = {
        plain: ssim(reconstructed(deployment, data, f"gradient-inversion[steps=80{plain}]"), data.images)
        for plain in (",plain=0", ",plain=1", "")
    }
    assert found[",plain=0"] > found[",plain=1"] + 0.2
    # By default it finds out that gradients are not what clients send.
    assert found[""] > found[",plain=1"] + 0.2


def test_clients_are_simulated_for_more_steps_where_they_send_no_gradients(trained):
    class Counting(FedAvg):
        """Counts the calls that can be differentiated."""

        registry_name: ClassVar[str] = "counting"
        calls: ClassVar[list[bool]] = []

        def client_update(self, module, task, images, labels, seeds):
            self.calls.append(images.requires_grad)
            return super().client_update(module, task, images, labels, seeds)

    for weights, simulated in ((trained, 12), (fresh(), 30)):
        Counting.calls.clear()
        deployment = deployed(Counting(epochs=2), weights)
        reconstructed(deployment, HELD[:2], "gradient-inversion[steps=40]")
        assert sum(Counting.calls) == simulated


@pytest.mark.slow
@pytest.mark.parametrize(
    ("defense", "least"), [("none", 0.7), ("fedavg[epochs=1]", 0.7), ("fedavg[epochs=5]", 0.7)]
)
def test_digits_come_back_well_with_time(defense, least):
    data = HELD[:16]
    weights = fitted("fedavg", mnist()[:1100]).weights
    found = reconstructed(deployed(defense, weights), data, "gradient-inversion[steps=600]")
    assert ssim(found, data.images) > least


def test_leaves_global_state_alone(trained):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    reconstructed(deployed("fedavg", trained), HELD[:1], "gradient-inversion[steps=3]")
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


class Blurred(FederatedDefense):
    """Its clients compute in a way that cannot be differentiated."""

    registry_name: ClassVar[str] = "blurred"

    def fit(self, private, public, trainer):
        raise NotImplementedError

    def client_update(self, module, task, images, labels, seeds):
        return -gradients(module, task, images.detach(), labels)


def test_updates_without_a_derivative_are_named(trained):
    with pytest.raises(PrivbenchError, match=r"no gradient .* without detach"):
        reconstructed(deployed(Blurred(), trained), HELD[:1], "gradient-inversion[steps=4]")


def pixels(images, labels):
    """An update that is the image itself."""
    return images.flatten(1)


def test_the_best_iterate_is_kept():
    # At so large a rate the second step leaves a good start for a corner: one pixel on, the rest off.
    start, sent = torch.tensor([[[[0.5, 0.45], [0.0, 0.0]]]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]])
    matching = Matching(sent, torch.zeros(1), start, steps=4, lr=5.0, weight=0.0)
    matching.run(pixels, 2)
    assert float(matching.curve[1]) > 0.2 > 0.01 > float(matching.curve[0])
    assert torch.equal(matching.best, start)
    # The next way to make updates has losses of its own.
    now = matching.images.detach().clone()
    matching.run(pixels, 1)
    assert torch.equal(matching.best, now)
    matching.run(pixels, 0)
    assert torch.equal(matching.best, now)
    assert len(matching.curve) == 3


def test_agreement_is_that_of_directions():
    start = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    matching = Matching(start.flatten(1), torch.zeros(3), start, steps=1, lr=0.1, weight=0.0)
    assert matching.agreement(pixels, lambda x, y: 1e-12 * pixels(x, y)) == pytest.approx(1)
    assert matching.agreement(pixels, lambda x, y: -3 * pixels(x, y)) == pytest.approx(-1)


def test_the_length_of_an_update_does_not_matter():
    module, data = build_module(model_of("cnn"), SHAPE, 10, 0).eval(), HELD[:2]
    made = -gradients(module, Classes(), data.images, data.labels)
    start = torch.full((2, *SHAPE), 0.5)

    def update(images, labels):
        return -gradients(module, Classes(), images, labels)

    runs = []
    # Powers of two round nothing; float32 squares would underflow, and overflow.
    for scale in (1.0, 2.0**-80, 2.0**80):
        matching = Matching(made * scale, data.labels, start, steps=5, lr=0.1, weight=0.03)
        matching.run(update, 5)
        runs.append(matching.best)
    assert all(torch.equal(runs[0], run) for run in runs[1:])


def test_cosine_and_its_derivative():
    generator = torch.Generator().manual_seed(0)
    made, target = torch.randn(2, 3, 50, generator=generator, dtype=torch.float64)
    target = torch.nn.functional.normalize(target, dim=1)
    made.requires_grad_()
    wanted = torch.nn.functional.cosine_similarity(made, target)
    torch.testing.assert_close(_Cosine.apply(made, target), wanted)
    (slope,) = torch.autograd.grad(wanted.square().sum(), made)
    (found,) = torch.autograd.grad(_Cosine.apply(made, target).square().sum(), made)
    torch.testing.assert_close(found, slope)
    zero = torch.zeros(1, 50, requires_grad=True)
    (slope,) = torch.autograd.grad(_Cosine.apply(zero, target[:1].float()).sum(), zero)
    assert slope.isfinite().all()
