"""Per-sample gradients (Opacus) equal a loop over single samples, exactly and in every mode."""

import warnings

import pytest
import torch
from opacus import GradSampleModule
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping
from opacus.validators import ModuleValidator
from torch.nn.functional import cross_entropy

from privbench.core.registry import create

READY = [
    "cnn",
    "cnn[norm=group]",
    "resnet[norm=group]",
    "resnet[depth=50,norm=group]",
    "vgg[norm=group]",
    "mobilenet[norm=group]",
    "mobilenet[norm=group,version=v3]",
    "shufflenet[norm=group]",
    "vit",
    "swin",
]
LABELS = torch.tensor([1, 0, 2])


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        yield


def build(selector, shape):
    torch.manual_seed(0)
    return create("model", selector).build(shape, 4).double().train()


def loop(module, images, labels):
    """Gradients of each sample alone: name -> [N, ...]."""
    rows = []
    for image, label in zip(images, labels, strict=True):
        loss = cross_entropy(module(image[None]), label[None])
        rows.append(torch.autograd.grad(loss, list(module.parameters())))
    return {
        name: torch.stack(values)
        for (name, _), values in zip(module.named_parameters(), zip(*rows, strict=True), strict=True)
    }


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)], ids=str)
@pytest.mark.parametrize("selector", READY)
def test_hooks_equal_a_loop(selector, shape):
    module = build(selector, shape)
    images = torch.rand(3, *shape, dtype=torch.float64)
    expected = loop(module, images, LABELS)
    assert ModuleValidator.validate(module) == []
    wrapped = GradSampleModule(module, loss_reduction="sum")
    cross_entropy(wrapped(images), LABELS, reduction="sum").backward()
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter.grad_sample, expected[name], rtol=0, atol=1e-8, msg=name)


@pytest.mark.parametrize("selector", READY)
def test_ghost_norms_equal_a_loop(selector):
    module = build(selector, (1, 28, 28))
    images = torch.rand(3, 1, 28, 28, dtype=torch.float64)
    expected = torch.stack([g.flatten(1).square().sum(1) for g in loop(module, images, LABELS).values()])
    wrapped = GradSampleModuleFastGradientClipping(module, max_grad_norm=1.0, loss_reduction="sum")
    cross_entropy(wrapped(images), LABELS, reduction="sum").backward()
    torch.testing.assert_close(wrapped.get_norm_sample(), expected.sum(0).sqrt(), rtol=0, atol=1e-8)


@pytest.mark.parametrize("selector", READY)
def test_a_poisson_batch_may_be_empty(selector):
    wrapped = GradSampleModule(build(selector, (1, 28, 28)), loss_reduction="sum")
    logits = wrapped(torch.rand(0, 1, 28, 28, dtype=torch.float64))
    assert logits.shape == (0, 4)
    cross_entropy(logits, LABELS[:0], reduction="sum").backward()
    assert all(len(p.grad_sample) == 0 for p in wrapped.parameters())


def test_the_law_can_fail():
    # An in-place sum, as in torchvision's own block, must not slip through the test above.
    import torchvision

    torch.manual_seed(0)
    module = torchvision.models.resnet18(
        num_classes=4, norm_layer=lambda c: torch.nn.GroupNorm(4, c)
    ).double()
    for part in module.modules():
        if hasattr(part, "inplace"):
            part.inplace = False
    wrapped = GradSampleModule(module, loss_reduction="sum")
    with pytest.raises(RuntimeError, match="inplace"):
        wrapped(torch.rand(2, 3, 32, 32, dtype=torch.float64)).sum().backward()
