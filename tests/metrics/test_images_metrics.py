"""SSIM, PSNR and recognition against scikit-image, torchmetrics and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.transform import resize

from privbench.core.errors import DataError, PrivbenchError
from privbench.core.game import Truth
from privbench.core.images import LabelledImages
from privbench.core.metric import ScoringContext
from privbench.core.registry import create
from privbench.metrics import _checks
from privbench.metrics.psnr import psnr
from privbench.metrics.ssim import ssim

CPU = ScoringContext(torch.device("cpu"))


def photos(count=2, height=64, width=48, channels=3):
    loaded = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()][:count]
    stack = np.stack([resize(photo, (height, width), anti_aliasing=True) for photo in loaded])
    images = torch.from_numpy(stack).float().permute(0, 3, 1, 2)
    return images[:, :channels].contiguous()


def noisy(images, sigma=0.2, seed=0):
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (images + sigma * noise).clamp(0, 1)


def reference_ssim(a, b):
    return np.array(
        [
            structural_similarity(
                x.double().numpy(),
                y.double().numpy(),
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
                data_range=1.0,
                channel_axis=0,
            )
            for x, y in zip(a, b, strict=True)
        ]
    )


@pytest.mark.parametrize(
    ("height", "width", "channels"), [(64, 48, 3), (28, 28, 1), (11, 40, 1), (11, 11, 3), (97, 63, 3)]
)
@pytest.mark.parametrize("sigma", [0.01, 0.2, 1.0])
def test_ssim_equals_scikit_image(height, width, channels, sigma):
    a = photos(4, height, width, channels)
    b = noisy(a, sigma)
    np.testing.assert_allclose(ssim(a, b).numpy(), reference_ssim(a, b), atol=1e-9)


def test_ssim_of_almost_flat_images_has_no_cancellation():
    # Here float32 variances are lost; C2 is 9e-4.
    a = 0.9 + 1e-3 * torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    b = 0.9 + 1e-3 * torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    np.testing.assert_allclose(ssim(a, b).numpy(), reference_ssim(a, b), atol=1e-9)


def test_ssim_equals_torchmetrics_inside_the_border():
    from torchmetrics.functional.image import structural_similarity_index_measure

    a = photos(4, 64, 48)
    b = noisy(a)
    mean, full = structural_similarity_index_measure(
        b.double(), a.double(), data_range=1.0, reduction="none", return_full_image=True
    )
    inside = full[..., 5:-5, 5:-5].mean(dim=(1, 2, 3))
    np.testing.assert_allclose(ssim(a, b).numpy(), inside.numpy(), atol=1e-9)
    # Its own mean counts windows that reach over the border.
    assert float((mean - inside).abs().max()) > 1e-3


def test_ssim_by_a_slow_loop():
    a, b = photos(1, 13, 12, 1).double(), noisy(photos(1, 13, 12, 1)).double()
    offset = np.arange(-5, 6)
    window = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    for i in range(3):
        for j in range(2):
            x, y = (t[0, 0, i : i + 11, j : j + 11].numpy() for t in (a, b))
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            cov = (window * (x - mx) * (y - my)).sum()
            values.append(
                (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
            )
    assert float(ssim(a, b)) == pytest.approx(np.mean(values), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31), st.integers(11, 20), st.integers(11, 20), st.sampled_from([1, 3]))
def test_ssim_and_psnr_properties(seed, height, width, channels):
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.rand(2, 3, channels, height, width, generator=generator)
    assert torch.allclose(ssim(a, a), torch.ones(3, dtype=torch.float64), atol=1e-12)
    assert torch.equal(psnr(a, a), torch.full((3,), 100.0, dtype=torch.float64))
    assert torch.allclose(ssim(a, b), ssim(b, a), atol=1e-12)
    assert torch.equal(psnr(a, b), psnr(b, a))
    assert (ssim(a, b).abs() <= 1).all()
    assert ((psnr(a, b) >= 0) & (psnr(a, b) <= 100)).all()
    assert torch.allclose(ssim(a.flip(-1), b.flip(-1)), ssim(a, b), atol=1e-12)


def test_psnr_equals_scikit_image_and_is_a_mean_of_decibels():
    a = photos(4)
    b = torch.stack([noisy(a[i : i + 1], s)[0] for i, s in enumerate((0.01, 0.1, 0.3, 1.0))])
    wanted = [
        peak_signal_noise_ratio(x.double().numpy(), y.double().numpy(), data_range=1.0)
        for x, y in zip(a, b, strict=True)
    ]
    np.testing.assert_allclose(psnr(a, b).numpy(), wanted, atol=1e-9)
    metric, truth = (
        create("metric", "psnr"),
        Truth(originals=LabelledImages(a, torch.zeros(4, dtype=torch.long))),
    )
    columns = metric.columns(truth, b, CPU)
    value = float(metric.statistic(columns, torch.ones(1, 4, dtype=torch.float64)))
    assert value == pytest.approx(np.mean(wanted), abs=1e-9)
    of_mean_error = -10 * np.log10(float((a - b).square().mean()))
    assert abs(value - of_mean_error) > 3


def test_ssim_can_be_a_loss():
    a, b = torch.rand(2, 2, 1, 12, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(ssim, (a.requires_grad_(), b))


def test_known_values():
    black, white = torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)
    assert float(psnr(black, white)) == 0.0
    assert float(psnr(black, white * 0.1)) == pytest.approx(20.0, abs=1e-5)
    assert float(ssim(black, white)) == pytest.approx(1e-4 / (1 + 1e-4), abs=1e-12)


@pytest.mark.parametrize("name", ["ssim", "psnr"])
def test_batches_change_nothing(name, monkeypatch):
    a = photos(4)
    b = noisy(a)
    metric, truth = (
        create("metric", name),
        Truth(originals=LabelledImages(a, torch.zeros(4, dtype=torch.long))),
    )
    whole = metric.columns(truth, b, CPU)[name]
    monkeypatch.setattr(_checks, "_ELEMENTS", 1)
    single = metric.columns(truth, b, CPU)[name]
    assert whole.dtype == torch.float64
    assert whole.shape == (4,)
    assert torch.allclose(whole, single, atol=1e-12)


@pytest.mark.parametrize("function", [ssim, psnr])
def test_what_cannot_be_compared_is_an_error(function):
    a = photos(2)
    for bad in (torch.nan, torch.inf):
        b = a.clone()
        b[1, 0, 3, 3] = bad
        with pytest.raises(PrivbenchError, match="NaN"):
            function(a, b)
        with pytest.raises(PrivbenchError, match="NaN"):
            function(b, a)
    with pytest.raises(PrivbenchError, match="shapes"):
        function(a, a[:1])
    with pytest.raises(PrivbenchError, match="shapes"):
        function(a[0], a[0])


def test_ssim_of_small_images_says_what_to_do():
    with pytest.raises(DataError, match=r"at least 11x11.*10x30"):
        ssim(torch.zeros(1, 1, 10, 30), torch.zeros(1, 1, 10, 30))


@pytest.mark.parametrize("name", ["ssim", "psnr", "recognition"])
def test_no_originals_or_no_images_is_an_error(name):
    metric = create("metric", name)
    judge = ScoringContext(torch.device("cpu"), judge=lambda images: torch.zeros(len(images), 3))
    with pytest.raises(PrivbenchError, match="truth does not hold"):
        metric.columns(Truth(members=torch.tensor([True])), photos(1), judge)
    empty = LabelledImages(torch.zeros(0, 1, 16, 16), torch.zeros(0, dtype=torch.long))
    with pytest.raises(PrivbenchError):
        metric.columns(Truth(originals=empty), empty.images, judge)


def brightness_judge(images):
    level = (images.mean(dim=(1, 2, 3)) * 4).long().clamp(0, 3)
    return torch.nn.functional.one_hot(level, 4).float().log()


def test_recognition_is_the_judges_accuracy_on_the_guess(monkeypatch):
    images = torch.tensor([0.1, 0.3, 0.6, 0.9])[:, None, None, None].expand(4, 1, 12, 12).contiguous()
    truth = Truth(originals=LabelledImages(images, torch.tensor([0, 1, 2, 0])))
    metric, referee = create("metric", "recognition"), ScoringContext(torch.device("cpu"), brightness_judge)
    right = metric.columns(truth, images, referee)["recognition"]
    assert right.tolist() == [1.0, 1.0, 1.0, 0.0]
    assert float(metric.statistic({"recognition": right}, torch.ones(1, 4, dtype=torch.float64))) == 0.75
    monkeypatch.setattr(_checks, "_ELEMENTS", 1)
    assert metric.columns(truth, images, referee)["recognition"].tolist() == right.tolist()
    black = metric.columns(truth, torch.zeros_like(images), referee)["recognition"]
    assert black.tolist() == [1.0, 0.0, 0.0, 1.0]


def test_recognition_needs_a_judge_and_real_numbers():
    images = torch.zeros(2, 1, 12, 12)
    truth = Truth(originals=LabelledImages(images, torch.tensor([0, 1])))
    metric = create("metric", "recognition")
    with pytest.raises(PrivbenchError, match="judge"):
        metric.columns(truth, images, CPU)
    with pytest.raises(PrivbenchError, match="NaN"):
        metric.columns(truth, images * torch.nan, ScoringContext(torch.device("cpu"), brightness_judge))
    with pytest.raises(PrivbenchError, match="NaN"):
        metric.columns(
            truth, images, ScoringContext(torch.device("cpu"), lambda x: torch.full((len(x), 3), torch.nan))
        )
    with pytest.raises(PrivbenchError, match="1 reconstructed"):
        metric.columns(truth, images[:1], ScoringContext(torch.device("cpu"), brightness_judge))


@pytest.mark.cuda
@pytest.mark.parametrize("function", [ssim, psnr])
def test_cuda_equals_cpu(function):
    a = photos(4, 224, 224)
    b = noisy(a)
    assert torch.allclose(function(a, b), function(a.cuda(), b.cuda()).cpu(), atol=1e-9)
