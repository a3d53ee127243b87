"""LPIPS: its availability, and its computation with a stand-in backbone that is pinned like the real one."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from privbench.core.errors import PrivbenchError, UserError
from privbench.core.game import Truth
from privbench.core.images import LabelledImages
from privbench.core.metric import ScoringContext
from privbench.core.registry import create
from privbench.data import weights
from privbench.metrics.lpips import Lpips, lpips

CPU = ScoringContext(torch.device("cpu"))


@pytest.fixture(scope="module")
def backbone():
    """The convolutional part of an AlexNet with random weights (the real ones are a download)."""
    from torchvision.models import alexnet

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {k: v for k, v in alexnet(weights=None).state_dict().items() if k.startswith("features")}


@pytest.fixture
def pinned(backbone, tmp_path, monkeypatch):
    """Puts the stand-in into the weights folder and pins it."""
    monkeypatch.setenv("PRIVBENCH_WEIGHTS", str(tmp_path))
    real = weights.find("alexnet")
    location = tmp_path / real.file_name
    torch.save(backbone, location)
    digest = hashlib.sha256(location.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "FILES", (replace(real, sha256=digest),))
    return location


@pytest.fixture(scope="module")
def reference(backbone):
    from lpips import LPIPS

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")
        network = LPIPS(net="alex", pnet_rand=True, verbose=False)
    layers = [m for part in range(1, 6) for m in getattr(network.net, f"slice{part}")]
    convolutions = [m for m in layers if isinstance(m, torch.nn.Conv2d)]
    for number, module in zip((0, 3, 6, 8, 10), convolutions, strict=True):
        module.weight.data = backbone[f"features.{number}.weight"]
        module.bias.data = backbone[f"features.{number}.bias"]
    return network


def images(count=3, channels=3, height=72, width=80, seed=0):
    return torch.rand(count, channels, height, width, generator=torch.Generator().manual_seed(seed))


def test_missing_weights_give_the_reason_and_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVBENCH_WEIGHTS", str(tmp_path / "nowhere"))
    reason = Lpips().unavailable()
    assert "privbench weights fetch alexnet" in reason
    assert "alexnet-owt-7be5be79.pth is not there" in reason
    a = images()
    with pytest.raises(UserError, match="privbench weights fetch alexnet"):
        lpips(a, a)


def test_random_weights_are_never_taken_for_the_real_ones(backbone, tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVBENCH_WEIGHTS", str(tmp_path))
    torch.save(backbone, tmp_path / weights.find("alexnet").file_name)
    assert "does not match its published SHA-256" in Lpips().unavailable()
    with pytest.raises(UserError, match="does not match"):
        lpips(images(), images(seed=1))


def test_equals_the_lpips_package_with_the_same_backbone(pinned, reference):
    assert Lpips().unavailable() is None
    a, b = images(), images(seed=1)
    with torch.no_grad():
        wanted = reference(a * 2 - 1, b * 2 - 1).flatten()
    got = lpips(a, b)
    assert torch.allclose(got, wanted, atol=1e-6)
    assert (wanted > 0.01).all()
    assert not torch.allclose(got, reference(a, b).flatten().detach(), atol=1e-3)


def test_grey_is_repeated_and_small_is_stretched(pinned, reference):
    a, b = images(channels=1, height=28, width=70), images(channels=1, height=28, width=70, seed=1)
    with torch.no_grad():
        wide = [
            torch.nn.functional.interpolate(x.repeat(1, 3, 1, 1), (64, 70), mode="bilinear") * 2 - 1
            for x in (a, b)
        ]
        wanted = reference(*wide).flatten()
    assert torch.allclose(lpips(a, b), wanted, atol=1e-6)


def test_laws(pinned):
    a, b = images(70, 1, 28, 28), images(70, 1, 28, 28, seed=1)
    assert torch.equal(lpips(a, a), torch.zeros(70))
    assert torch.allclose(lpips(a, b), lpips(b, a), atol=1e-6)
    alone = torch.cat([lpips(a[i : i + 1], b[i : i + 1]) for i in (0, 5, 69)])
    assert torch.allclose(alone, lpips(a, b)[[0, 5, 69]], atol=1e-6)
    low, high = Lpips.bounds
    assert ((lpips(a, b) >= low) & (lpips(a, b) <= high)).all()
    with pytest.raises(PrivbenchError, match="NaN"):
        lpips(a, b * torch.nan)
    with pytest.raises(UserError, match="2 channels"):
        lpips(images(1, 2), images(1, 2))


def test_metric_leaves_the_global_random_state_alone(pinned):
    from privbench.metrics import lpips as module

    module._network.cache_clear()
    before = torch.random.get_rng_state()
    a, b = images(2, 1, 28, 28), images(2, 1, 28, 28, seed=1)
    metric = create("metric", "lpips")
    truth = Truth(originals=LabelledImages(a, torch.zeros(2, dtype=torch.long)))
    columns = metric.columns(truth, b, CPU)
    assert torch.allclose(columns["lpips"], lpips(a, b).double())
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_linear_weights_are_those_of_the_release():
    import lpips as package

    location = Path(package.__file__).parent / "weights" / "v0.1" / "alex.pth"
    digest = hashlib.sha256(location.read_bytes()).hexdigest()
    assert digest == "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
    linear = torch.load(location, map_location="cpu", weights_only=True)
    assert all((w >= 0).all() for w in linear.values())
    assert 2 * sum(float(w.max()) for w in linear.values()) <= Lpips.bounds[1]


def test_real_backbone_if_it_is_here():
    if Lpips().unavailable():
        pytest.skip("the AlexNet weights are not here")
    from skimage import data

    photo = torch.from_numpy(data.astronaut()[:256, :256].copy()).permute(2, 0, 1)[None].float() / 255
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    distances = [float(lpips(photo, (photo + s * noise).clamp(0, 1))) for s in (0.0, 0.05, 0.2)]
    assert distances[0] == 0.0
    assert distances[0] < distances[1] < distances[2]
