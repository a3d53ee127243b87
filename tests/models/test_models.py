"""Every classifier of the catalogue: shapes, gradients, determinism, errors, feature taps."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from privbench.core.errors import DataError, UserError
from privbench.core.registry import create, names
from privbench.models._features import capture

SMALL = [
    "cnn",
    "cnn[norm=group]",
    "mlp",
    "mlp[depth=3,width=32]",
    "resnet",
    "resnet[norm=group]",
    "resnet[depth=50]",
    "vgg",
    "vgg[norm=group]",
    "mobilenet",
    "mobilenet[norm=group]",
    "mobilenet[version=v3]",
    "mobilenet[version=v3,norm=group]",
    "shufflenet",
    "shufflenet[norm=group]",
    "vit",
    "swin",
]
PAPER = [
    "resnet[size=paper]",
    "resnet[depth=50,size=paper]",
    "vgg[size=paper]",
    "mobilenet[size=paper]",
    "mobilenet[size=paper,version=v3]",
    "shufflenet[size=paper]",
    "vit[size=paper]",
    "swin[size=paper]",
]
SHAPES = [(1, 28, 28), (3, 32, 32), (1, 56, 56)]


def build(selector, shape=(1, 28, 28), classes=10, seed=0):
    torch.manual_seed(seed)
    return create("model", selector).build(shape, classes)


def test_the_catalogue_is_covered():
    assert {s.partition("[")[0] for s in SMALL} == set(names("model"))
    assert {s.partition("[")[0] for s in PAPER} == set(names("model")) - {"cnn", "mlp"}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("selector", SMALL)
def test_logits_and_gradients(selector, shape):
    module = build(selector, shape)
    logits = module(torch.rand(4, *shape))
    assert logits.shape == (4, 10)
    assert logits.isfinite().all()
    nn.functional.cross_entropy(logits, torch.arange(4)).backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any(), f"{name} has no gradient"


@pytest.mark.parametrize("selector", SMALL)
def test_the_least_side_works_and_a_smaller_one_is_refused(selector):
    model = create("model", selector)
    least = model.min_side
    assert build(selector, (2, least, 20))(torch.rand(2, 2, least, 20)).shape == (2, 10)
    with pytest.raises(DataError, match=rf"at least {least} pixels.* {least - 1}") as caught:
        model.build((1, 20, least - 1), 10)
    assert model.selector in str(caught.value)


def test_the_papers_vgg_needs_32_pixels():
    with pytest.raises(DataError, match=r"vgg\[size=paper\].* 32 .* 28"):
        create("model", "vgg[size=paper]").build((1, 28, 28), 10)


def test_vit_refuses_sides_without_a_patch():
    with pytest.raises(DataError, match="29x29"):
        create("model", "vit").build((1, 29, 29), 10)


@pytest.mark.parametrize(("side", "patch"), [(16, 2), (28, 4), (32, 4), (56, 8), (112, 16), (224, 16)])
def test_vit_patch(side, patch):
    assert create("model", "vit").patch((1, side, side)) == patch


@pytest.mark.parametrize("selector", SMALL)
def test_the_same_seed_gives_the_same_weights(selector):
    one, two, other = (build(selector, seed=seed).state_dict() for seed in (3, 3, 4))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("selector", SMALL + PAPER)
def test_nothing_is_in_place(selector):
    with torch.device("meta"):
        module = create("model", selector).build((3, 64, 64), 10)
    assert not [name for name, part in module.named_modules() if getattr(part, "inplace", False)]


@pytest.mark.parametrize(
    "selector", [s for s in SMALL + PAPER if "norm=group" in s or s in ("cnn", "vit", "swin")]
)
def test_no_batch_norm_and_no_buffers_where_samples_must_not_mix(selector):
    module = build(selector)
    assert not list(module.buffers())
    assert not [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]


@pytest.mark.parametrize("selector", SMALL)
def test_batch_size_does_not_change_the_logits(selector):
    module = build(selector).double().eval()
    images = torch.rand(5, 1, 28, 28, dtype=torch.float64)
    one_by_one = torch.cat([module(image[None]) for image in images])
    torch.testing.assert_close(module(images), one_by_one, rtol=0, atol=1e-10)


@pytest.mark.parametrize("selector", SMALL + PAPER)
def test_feature_layers_exist_from_shallow_to_deep(selector):
    model = create("model", selector)
    with torch.device("meta"):
        module = model.build((1, 32, 32), 10)
        images = torch.rand(2, 1, 32, 32)
    layers = model.feature_layers()
    order = []
    for name in layers:
        module.get_submodule(name).register_forward_hook(lambda *_, name=name: order.append(name))
    features = capture(module, images, layers)
    assert tuple(order) == layers == tuple(features)
    assert all(len(value) == 2 for value in features.values())


def test_capture_equals_the_layers_by_hand_and_leaves_no_hook():
    module = build("cnn").eval()
    images = torch.rand(2, 1, 28, 28, requires_grad=True)
    features = capture(module, images, ["stage2", "stage1"])
    assert list(features) == ["stage2", "stage1"]
    assert torch.equal(features["stage1"], module.stage1(module.centre(images)))
    assert torch.equal(features["stage2"], module.stage2(module.stage1(module.centre(images))))
    features["stage2"].sum().backward()
    assert images.grad.any()
    with pytest.raises(UserError, match="stage1"):
        capture(module, images, ["stage"])
    with pytest.raises(RuntimeError):
        capture(module, torch.rand(2, 3, 28, 28), ["stage1"])
    assert not any(part._forward_hooks for part in module.modules())


@pytest.mark.parametrize("selector", SMALL)
def test_gradients_can_be_differentiated_again(selector):
    # Gradient inversion differentiates a distance between gradients.
    module = build(selector)
    images = torch.rand(2, 1, 28, 28, requires_grad=True)
    loss = nn.functional.cross_entropy(module(images), torch.tensor([1, 2]))
    gradients = torch.autograd.grad(loss, list(module.parameters()), create_graph=True)
    (second,) = torch.autograd.grad(sum(g.square().sum() for g in gradients), images)
    assert second.isfinite().all()
    assert second.any()


@pytest.mark.parametrize("selector", ["cnn", "cnn[norm=group]", "resnet[norm=group]", "vit", "swin"])
def test_many_models_in_one_vmap_equal_one_by_one(selector):
    modules = [build(selector, seed=seed).double() for seed in range(3)]
    images = torch.rand(3, 4, 1, 28, 28, dtype=torch.float64)
    weights, buffers = torch.func.stack_module_state(modules)

    def forward(state, constant, batch):
        return torch.func.functional_call(modules[0], (state, constant), (batch,))

    together = torch.func.vmap(forward)(weights, buffers, images)
    apart = torch.stack([module(batch) for module, batch in zip(modules, images, strict=True)])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-10)


def test_finding_models_does_not_load_torch():
    code = (
        "from privbench.core.lazy import defer, is_loaded; defer('torch')\n"
        "from privbench.core.registry import create, names\n"
        "for name in names('model'): create('model', name).feature_layers()\n"
        "assert not is_loaded('torch') and not is_loaded('torchvision')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("selector", PAPER)
def test_paper_size_forward(selector):
    for shape in ((3, 224, 224), (1, 32, 32)):
        logits = build(selector, shape).eval()(torch.rand(2, *shape))
        assert logits.shape == (2, 10)
        assert logits.isfinite().all()
