"""Updates of single samples against loops, and their derivatives."""

import pytest
import torch
from federated import SHAPE, mnist, model_of

from privbench.models.mlp import Mlp
from privbench.tasks.classes import Classes
from privbench.training.client_updates import clients_at_once, gradients, local_changes
from privbench.training.modules import build_module

TASK = Classes()


def module_of(selector):
    return build_module(model_of(selector), SHAPE, 10, 0).eval()


def few(count):
    data = mnist()[:count]
    return data.images.double(), data.labels


@pytest.mark.parametrize("selector", ["cnn", "mlp", "cnn[norm=group]", "resnet", "vit"])
def test_gradients_are_those_of_single_samples(selector):
    module = module_of(selector).double()
    images, labels = few(3)
    made = gradients(module, TASK, images, labels)
    for row, image, label in zip(made, images, labels, strict=True):
        loss = torch.nn.functional.cross_entropy(module(image[None]), label[None])
        slopes = torch.autograd.grad(loss, list(module.parameters()))
        torch.testing.assert_close(row, torch.cat([s.flatten() for s in slopes]), rtol=1e-8, atol=1e-10)


def test_soft_labels():
    module, (images, labels) = module_of("mlp").double(), few(3)
    soft = torch.nn.functional.one_hot(labels, 10).double()
    made = gradients(module, TASK, images, soft)
    torch.testing.assert_close(made, gradients(module, TASK, images, labels))


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_changes_are_those_of_gradient_descent(steps):
    module, (images, labels) = module_of("cnn").double(), few(2)
    made = local_changes(module, TASK, images, labels, steps, 0.3)
    for row, image, label in zip(made, images, labels, strict=True):
        own = module_of("cnn").double()
        optimizer = torch.optim.SGD(own.parameters(), lr=0.3)
        for _ in range(steps):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(own(image[None]), label[None]).backward()
            optimizer.step()
        pairs = zip(own.parameters(), module.parameters(), strict=True)
        torch.testing.assert_close(row, torch.cat([(a - b).flatten() for a, b in pairs]).detach())


def test_a_change_much_smaller_than_the_weights_is_not_rounded_away():
    module, data = module_of("cnn"), mnist()[:4]
    plain = gradients(module, TASK, data.images, data.labels)
    made = local_changes(module, TASK, data.images, data.labels, 3, 1e-9)
    torch.testing.assert_close(made / -3e-9, plain, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 3])
def test_can_be_differentiated_in_the_images(steps):
    module = build_module(Mlp(width=3), (1, 8, 8), 10, 0).double()
    images = torch.rand(2, 1, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([3, 7])
    torch.autograd.gradcheck(
        lambda x: local_changes(module, TASK, x, labels, steps, 0.1), images.requires_grad_(), fast_mode=True
    )


def test_the_module_keeps_its_weights_and_gradients():
    module, data = module_of("cnn"), mnist()[:2]
    before = [value.clone() for value in module.parameters()]
    local_changes(module, TASK, data.images, data.labels, 2, 0.1)
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, module.parameters(), strict=True))


def test_large_models_make_few_updates_at_once():
    assert clients_at_once(torch.nn.Linear(1, 1)) == 64
    assert 16 <= clients_at_once(module_of("cnn")) <= 64
    assert clients_at_once(torch.nn.Linear(2000, 2000)) == 1
