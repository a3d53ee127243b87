"""VFE: its laws, and a slow loop as the independent reference."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.transform import resize

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.game import Truth
from privbench.core.metric import ScoringContext
from privbench.metrics.vfe import gradient_energy, vfe, vfe_db


@cache
def photo(name):
    picture = resize(getattr(data, name)() / 255.0, (224, 224), anti_aliasing=True)
    return torch.tensor(picture, dtype=torch.float32).permute(2, 0, 1)[None].contiguous()


def shuffled(images, window, seed=0):
    """A shuffle of its own, so that the law does not rest on the defense."""
    rng, out = np.random.default_rng(seed), images.numpy().copy()
    for n, c in np.ndindex(*out.shape[:2]):
        for y in range(0, out.shape[2], window):
            for x in range(0, out.shape[3], window):
                block = out[n, c, y : y + window, x : x + window]
                block[...] = rng.permutation(block.ravel()).reshape(block.shape)
    return torch.from_numpy(out)


def slow_vfe(image, mode, size):
    channels, height, width = image.shape
    if mode == "mean":
        total = 0.0
        for c, y, x in np.ndindex(channels, height, width):
            if x + 1 < width:
                total += (image[c, y, x + 1] - image[c, y, x]) ** 2
            if y + 1 < height:
                total += (image[c, y + 1, x] - image[c, y, x]) ** 2
        return total / (height * width)
    sums = []
    for c in range(channels):
        for top in range(0, height - size + 1, size):
            for left in range(0, width - size + 1, size):
                window = np.zeros((size + 1, size + 1))
                window[:size, :size] = image[c, top : top + size, left : left + size]
                inner = window[:size, :size]
                sums.append(((window[:size, 1:] - inner) ** 2 + (window[1:, :size] - inner) ** 2).sum())
    return float(np.mean(sums))


@settings(max_examples=25, deadline=None)
@given(
    channels=st.integers(1, 3),
    height=st.integers(1, 11),
    width=st.integers(1, 11),
    size=st.integers(1, 6),
    mode=st.sampled_from(["mean", "reference"]),
    seed=st.integers(0, 99),
)
def test_agrees_with_a_slow_loop(channels, height, width, size, mode, seed):
    images = torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(seed))
    if mode == "reference" and size > min(height, width):
        with pytest.raises(UserError, match="mode=mean"):
            vfe(images, mode, size)
        return
    expected = [slow_vfe(image.double().numpy(), mode, size) for image in images]
    torch.testing.assert_close(
        vfe(images, mode, size), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("name", "full", "limit"), [("astronaut", 1.112, 1.115), ("coffee", 0.615, 0.619)])
def test_full_shuffle_reaches_four_times_the_variance(name, full, limit):
    image = photo(name)
    four_variances = 4 * float(image.var(dim=(2, 3), unbiased=False).sum())
    measured = float(vfe(shuffled(image, 224)))
    assert four_variances == pytest.approx(limit, abs=6e-4)
    assert measured == pytest.approx(full, abs=5e-3)
    # Expected exactly: only side - 1 of side differences exist, drawn without replacement.
    assert measured == pytest.approx(four_variances * (1 - 1 / 224) / (1 - 1 / 224**2), rel=5e-3)


def test_grows_with_the_window_as_published_for_the_astronaut():
    image = photo("astronaut")
    values = [float(vfe(image)), *(float(vfe(shuffled(image, w))) for w in (2, 7, 14, 28, 224))]
    assert values == pytest.approx([0.038, 0.078, 0.218, 0.396, 0.575, 1.112], rel=0.02)
    assert values == sorted(values)


@pytest.mark.parametrize("sigma", [0.05, 0.2])
def test_independent_noise_adds_four_variances_a_channel(sigma):
    image = photo("astronaut")
    noise = sigma * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    added = float(vfe(image + noise) - vfe(image))
    assert added == pytest.approx(4 * sigma**2 * 3, rel=0.02)


@pytest.mark.parametrize(("sigma", "low", "high"), [(0.2, 130, 149), (0.5, 775, 799)])
def test_reference_mode_reaches_the_magnitudes_of_the_released_code(sigma, low, high):
    values = []
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        noise = sigma * torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
        values.append(float(vfe(photo(name) + noise, "reference", size=28)))
    assert low - 2 <= min(values) <= max(values) <= high + 2


def test_reference_offset_survives_a_shuffle_within_windows():
    flat = torch.full((1, 1, 28, 28), 0.5)
    assert float(vfe(flat)) == 0
    assert float(vfe(flat, "reference", 14)) == pytest.approx(28 * 0.25)


def test_is_no_measure_of_privacy():
    """A keyless checkerboard inversion, undone by itself, scores above a full shuffle."""
    image = photo("astronaut")
    board = (torch.arange(224)[:, None] + torch.arange(224)) % 2 == 1
    assert float(vfe(torch.where(board, 1 - image, image))) > float(vfe(shuffled(image, 224)))


def test_decibels():
    images = torch.cat([photo("astronaut"), torch.zeros(1, 3, 224, 224)])
    assert vfe_db(images).tolist() == pytest.approx([10 * np.log10(float(vfe(images[:1]))), -100])


def test_gradient_energy_has_no_difference_past_the_edges():
    images = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert gradient_energy(images).tolist() == [[[[1.25, 0.25], [0.0, 0.0]]]]


@pytest.mark.parametrize(("selector", "function"), [("vfe", vfe), ("vfe-db", vfe_db)])
@pytest.mark.parametrize("mode", ["mean", "reference"])
def test_registry_metric(selector, function, mode):
    metric = registry.create("metric", f"{selector}[mode={mode}]")
    images = torch.rand(5, 3, 28, 28, generator=torch.Generator().manual_seed(0))
    columns = metric.columns(Truth(), images, ScoringContext(torch.device("cpu")))
    assert metric.subject == "release"
    assert not metric.rates
    torch.testing.assert_close(columns[selector], function(images, mode))
    value = metric.statistic(columns, torch.ones(1, 5, dtype=torch.float64))
    assert metric.bounds[0] <= float(value) <= metric.bounds[1]
