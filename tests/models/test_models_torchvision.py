"""torchvision as the independent reference: parameter counts, and values for the same weights."""

from pathlib import Path

import pytest
import torch
import torchvision
from torchvision.models import mobilenetv3, resnet, swin_transformer, vision_transformer

from privbench.core.registry import create, names
from privbench.models import _blocks, _shifted_windows, _vision_transformer

REFERENCE = {
    "resnet[size=paper]": "resnet18",
    "resnet[depth=50,size=paper]": "resnet50",
    "vgg[size=paper]": "vgg16_bn",
    "mobilenet[size=paper]": "mobilenet_v2",
    "mobilenet[size=paper,version=v3]": "mobilenet_v3_large",
    "shufflenet[size=paper]": "shufflenet_v2_x1_0",
    "vit[size=paper]": "vit_b_16",
    "swin[size=paper]": "swin_t",
}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("norm", ["batch", "group"])
@pytest.mark.parametrize("selector", REFERENCE)
def test_parameter_counts_equal_torchvisions(selector, norm):
    if norm == "group":
        if selector.startswith(("vit", "swin")):
            pytest.skip("transformers have no choice of norm")
        selector_used = selector.replace("]", ",norm=group]")
    else:
        selector_used = selector
    with torch.device("meta"):
        ours = create("model", selector_used).build((3, 224, 224), 1000)
        theirs = torchvision.models.get_model(REFERENCE[selector], weights=None)
    assert count(ours) == count(theirs)


@pytest.mark.parametrize("selector", [s for s in REFERENCE if not s.startswith(("vit", "swin", "vgg"))])
def test_values_equal_torchvisions_for_the_same_weights(selector):
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(REFERENCE[selector], weights=None, num_classes=7).double().eval()
    ours = create("model", selector).build((3, 64, 64), 7).double().eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("ours", "theirs", "arguments"),
    [
        (_blocks.BasicBlock, resnet.BasicBlock, (8, 8)),
        (_blocks.Bottleneck, resnet.Bottleneck, (32, 8)),
        (
            _blocks.InvertedResidualV3,
            mobilenetv3.InvertedResidual,
            (mobilenetv3.InvertedResidualConfig(8, 3, 16, 8, True, "HS", 1, 1, 1.0), torch.nn.BatchNorm2d),
        ),
    ],
)
def test_blocks_equal_torchvisions(ours, theirs, arguments):
    torch.manual_seed(0)
    reference, block = theirs(*arguments), ours(*arguments)
    block.load_state_dict(reference.state_dict())
    images = torch.rand(3, arguments[0] if isinstance(arguments[0], int) else 8, 6, 6)
    torch.testing.assert_close(block(images), reference(images.clone()))


def test_vision_transformer_equals_torchvisions():
    torch.manual_seed(0)
    theirs = vision_transformer.VisionTransformer(28, 7, 2, 4, 32, 64, num_classes=5).double().eval()
    ours = _vision_transformer.VisionTransformer((3, 28, 28), 5, 7, dim=32, depth=2, heads=4, hidden=64)
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    given = theirs.state_dict()
    state = {
        "patches.weight": given["conv_proj.weight"],
        "patches.bias": given["conv_proj.bias"],
        "token.weight": given["class_token"][0],
        "position.weight": given["encoder.pos_embedding"][0],
        "norm.weight": given["encoder.ln.weight"],
        "norm.bias": given["encoder.ln.bias"],
        "head.weight": given["heads.head.weight"],
        "head.bias": given["heads.head.bias"],
    }
    for number in range(2):
        for end in ("weight", "bias"):
            old, new = f"encoder.layers.encoder_layer_{number}.", f"blocks.{number}."
            state[f"{new}norm1.{end}"] = given[f"{old}ln_1.{end}"]
            state[f"{new}norm2.{end}"] = given[f"{old}ln_2.{end}"]
            state[f"{new}attention.qkv.{end}"] = given[f"{old}self_attention.in_proj_{end}"]
            state[f"{new}attention.project.{end}"] = given[f"{old}self_attention.out_proj.{end}"]
            state[f"{new}mlp.0.{end}"] = given[f"{old}mlp.0.{end}"]
            state[f"{new}mlp.2.{end}"] = given[f"{old}mlp.3.{end}"]
    ours.double().eval().load_state_dict(state)
    images = torch.rand(3, 3, 28, 28, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-10)


# Sides that fill whole windows, that need padding, and whose second stage is one window.
@pytest.mark.parametrize("sides", [(32, 32), (28, 36), (56, 28), (30, 44)])
@pytest.mark.parametrize("window", [4, 7])
def test_swin_equals_torchvisions(sides, window):
    torch.manual_seed(0)
    theirs = swin_transformer.SwinTransformer(
        [2, 2], 16, [2, 3], [2, 4], [window, window], stochastic_depth_prob=0.0, num_classes=5
    )
    ours = _shifted_windows.SwinTransformer(3, 5, patch=2, dim=16, depths=(2, 3), heads=(2, 4), window=window)
    theirs, ours = theirs.double().eval(), ours.double().eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    names = {
        "features.0.0.": "patches.conv.",
        "features.0.2.": "patches.norm.",
        "features.2.norm.": "stages.1.0.norm.",
        "features.2.reduction.": "stages.1.0.reduce.",
        "attn.qkv": "attention.attention.qkv",
        "attn.proj": "attention.attention.project",
        "attn.relative_position_bias_table": "attention.bias.weight",
        "mlp.3.": "mlp.2.",
    }
    names |= {f"features.1.{number}.": f"stages.0.{number}." for number in range(2)}
    names |= {f"features.3.{number}.": f"stages.1.{number + 1}." for number in range(3)}
    state = {}
    for key, value in theirs.state_dict().items():
        if "relative_position_index" in key:
            assert torch.equal(_shifted_windows.relative_index(window, value.device).flatten(), value)
            continue
        name = key
        for old, new in names.items():
            name = name.replace(old, new)
        state[name] = value
    ours.load_state_dict(state)
    images = torch.rand(2, 3, *sides, dtype=torch.float64)
    torch.testing.assert_close(ours(images), theirs(images), rtol=0, atol=1e-9)


def test_swin_drops_paths_at_torchvisions_rates():
    with torch.device("meta"):
        ours = create("model", "swin[size=paper]").build((3, 224, 224), 10)
        theirs = torchvision.models.swin_t(weights=None)
    rates = [getattr(m.drop, "p", 0.0) for m in ours.modules() if isinstance(m, _shifted_windows.Block)]
    expected = [m.p for m in theirs.modules() if isinstance(m, torchvision.ops.StochasticDepth)]
    assert rates == pytest.approx(expected)


def test_the_documented_counts_are_true():
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    table = text.partition("Notes")[0].splitlines()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:4]] for line in table if line.startswith("| `")]
    documented = {selector.partition("[")[0] for selector, _, _ in rows}
    assert documented == set(names("model"))
    for selector, small, paper in rows:
        with torch.device("meta"):
            assert f"{count(create('model', selector).build((1, 28, 28), 10)):,}" == small
            if paper != "–":
                large = selector[:-1] + ",size=paper]" if "[" in selector else f"{selector}[size=paper]"
                assert f"{count(create('model', large).build((3, 224, 224), 1000)):,}" == paper
