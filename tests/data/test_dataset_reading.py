"""Reading as a run does: uint8 and float32 are the same data, and what changes figures is warned of."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from privbench.core.errors import DataError
from privbench.core.images import LabelledImages, to_float
from privbench.data.checks import checked_dataset, fingerprint, same_partition
from privbench.data.datasets._squares import centre_square, luma
from privbench.data.datasets.npz import Npz
from privbench.data.reading import grey_images, read
from privbench.data.splits import first_occurrences, make_split

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (300, 12, 12), dtype=np.uint8)
LABELS = RNG.integers(0, 3, 300)


def source(tmp_path, options=None, **arrays):
    np.savez(tmp_path / "x.npz", **arrays)
    return Npz(path=str(tmp_path / "x.npz"), **(options or {}))


# one representation or the other


def test_bytes_and_floats_are_the_same_data():
    pixels = torch.from_numpy(RNG.integers(0, 256, (5000, 1, 8, 8), dtype=np.uint8))
    pixels[100] = pixels[7]
    labels = torch.arange(5000) % 2
    few, many = (
        checked_dataset("x", LabelledImages(x, labels), "ab") for x in (pixels, pixels.float() / 255)
    )
    assert few.fingerprint == many.fingerprint == fingerprint(many.data)
    assert torch.equal(few.data.floats().images, many.data.images)
    assert many.data.floats().images is many.data.images
    assert first_occurrences(few.data.images).tolist() == first_occurrences(many.data.images).tolist()
    assert make_split(few, 3, "small").digest == make_split(many, 3, "small").digest


def test_every_byte_is_the_float_that_division_gives():
    values = torch.arange(256, dtype=torch.uint8)
    assert torch.equal(to_float(values), torch.arange(256, dtype=torch.float32) / 255)


# range


def test_masks_of_0_and_1_are_refused_as_bytes_and_read_as_floats(tmp_path):
    mask = (RNG.random((300, 12, 12)) < 0.3).astype(np.uint8)
    with pytest.raises(DataError, match=r"brightest pixel is 1 of 255, so that all images are black.*by 255"):
        source(tmp_path, images=mask, labels=LABELS).load()
    with pytest.raises(DataError, match=r"not divided again"):
        source(tmp_path, images=IMAGES / 255 / 255, labels=LABELS).load()
    assert source(tmp_path, images=mask * 255, labels=LABELS).load().data.images.max() == 255
    assert source(tmp_path, images=mask.astype(float), labels=LABELS).load().data.images.max() == 1


def test_a_small_range_is_warned_of(tmp_path):
    dataset = read(source(tmp_path, images=IMAGES // 16, labels=LABELS))
    assert "the brightest pixel is 0.06 of 1" in dataset.warnings[0]
    assert not read(source(tmp_path, images=IMAGES, labels=LABELS)).warnings


# resampling


@pytest.mark.parametrize("kind", ["bytes", "floats"])
def test_resampling_never_leaves_the_range_at_any_size(kind):
    pixels = torch.from_numpy(RNG.integers(0, 256, (20, 1, 64, 64), dtype=np.uint8))
    pixels[:, :, :, :24] = 255
    images = pixels if kind == "bytes" else pixels / 255
    for size in range(8, 129):
        small = centre_square(images, size)
        assert small.dtype == images.dtype
        assert small.shape == (20, 1, size, size)
        assert 0 <= float(small.min()) <= float(small.max()) <= (255 if kind == "bytes" else 1)


@pytest.mark.parametrize("size", [12, 8, 5, 30])
def test_bytes_are_resampled_like_floats_and_rounded(size):
    pixels = torch.from_numpy(IMAGES[:, None])
    exact = centre_square(pixels / 255, size) * 255
    assert float((centre_square(pixels, size).float() - exact).abs().max()) <= 0.5 + 1e-3


def test_values_out_of_range_are_refused_before_they_are_clipped(tmp_path):
    for options in ({"size": 8}, {"grey": True}):
        with pytest.raises(DataError, match="pixels range from 0 to 2"):
            source(tmp_path, options, images=IMAGES / 255 * 2 // 1, labels=LABELS).load()


def test_enlarging_is_warned_of(tmp_path):
    (warning,) = read(source(tmp_path, {"size": 24}, images=IMAGES, labels=LABELS)).warnings
    assert "300 images enlarged, the smallest from 12 to 24 px" in warning
    assert not read(source(tmp_path, {"size": 8}, images=IMAGES, labels=LABELS)).warnings


# grey


def test_grey_agrees_with_pillow_and_equal_channels_keep_their_value():
    from PIL import Image

    colour = RNG.integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    expected = np.stack([np.asarray(Image.fromarray(each).convert("L")) for each in colour])
    pixels = torch.from_numpy(colour).permute(0, 3, 1, 2)
    assert np.array_equal(luma(pixels)[:, 0].numpy(), expected)
    assert float((luma(pixels / 255)[:, 0] * 255 - torch.from_numpy(expected)).abs().max()) < 0.51
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(-1, 3, -1, -1)
    assert torch.equal(luma(every)[0, 0].flatten(), torch.arange(256, dtype=torch.uint8))


def test_grey_as_three_channels_is_warned_of_and_grey_ends_it(tmp_path):
    colour = IMAGES[..., None].repeat(3, axis=3)
    dataset = read(source(tmp_path, images=colour, labels=LABELS))
    assert grey_images(dataset.data.images) == 300
    assert "300 images of 300 with three equal channels" in dataset.warnings[0]
    assert not read(source(tmp_path, {"grey": True}, images=colour, labels=LABELS)).warnings
    colour[20:, 0, 0, 0] ^= 1
    assert read(source(tmp_path, images=colour, labels=LABELS)).warnings
    colour[10:, 0, 0, 0] = 255 - colour[10:, 0, 0, 1]
    assert not read(source(tmp_path, images=colour, labels=LABELS)).warnings


# parts of an archive


def split_up(names, cut=(0, 150, 200, 300), **arrays):
    return {
        f"{part}_{name}": values[cut[i] : cut[i + 1]]
        for i, part in enumerate(names)
        for name, values in arrays.items()
    }


def test_an_archive_in_three_parts_with_labels_in_a_column_is_read_whole(tmp_path):
    arrays = split_up(("train", "val", "test"), images=IMAGES, labels=LABELS[:, None])
    dataset = read(source(tmp_path, **arrays))
    assert np.array_equal(dataset.data.images[:, 0].numpy(), IMAGES)
    assert np.array_equal(dataset.data.labels.numpy(), LABELS)
    assert "train_images 150, val_images 50, test_images 100" in dataset.notes[1]


def test_parts_without_their_labels_are_refused_and_arrays_that_are_not_read_are_named(tmp_path):
    arrays = split_up(("train", "val", "test"), images=IMAGES, labels=LABELS)
    del arrays["val_labels"]
    with pytest.raises(DataError, match=r"images are in 3 parts and labels in 2: train_labels, test_labels"):
        source(tmp_path, **arrays).load()
    dataset = source(tmp_path, images=IMAGES, labels=LABELS, val_images=IMAGES[:3], boxes=LABELS).load()
    assert "2 arrays left out: 'boxes', 'val_images'" in dataset.notes


def test_images_alone_have_no_classes(tmp_path):
    dataset = read(source(tmp_path, images=IMAGES))
    assert dataset.class_names == ()
    assert len(make_split(dataset, 0, "small").candidates) == 132
    with pytest.raises(DataError, match="class_names, but no labels"):
        source(tmp_path, images=IMAGES, class_names=np.array(["a", "b"])).load()


# hostile archives


def test_headers_that_claim_more_than_there_is_are_refused_before_memory_is_taken(tmp_path):
    import io
    import zipfile

    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"shape": (10**9, 10**4), "fortran_order": False, "descr": "|u1"}
    )
    for place, content in (
        ("short", stream.getvalue()),
        ("none", b"\x93NUMPY\x01\x00\xff\xff{'sh"),
        ("no", b""),
    ):
        with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
            archive.writestr("images.npy", content)
        with pytest.raises(DataError, match=r"x\.npz"):
            Npz(path=str(tmp_path / "x.npz")).load()
        assert place


def test_mutated_archives_give_data_or_one_refusal(tmp_path):
    np.savez(tmp_path / "x.npz", images=IMAGES[:40], labels=np.arange(40) % 2)
    whole = np.frombuffer((tmp_path / "x.npz").read_bytes(), np.uint8)
    draw = np.random.default_rng(2)
    refused = 0
    for _ in range(300):
        content = whole.copy()
        content[draw.integers(0, 150, 3) if draw.random() < 0.7 else draw.integers(0, len(content), 3)] ^= (
            1 << 3
        )
        (tmp_path / "x.npz").write_bytes(
            content[: draw.integers(1, len(content) + 1)] if draw.random() < 0.2 else content
        )
        refused += not _loads(Npz(path=str(tmp_path / "x.npz")))
    assert refused > 100


def _loads(each):
    try:
        each.load()
    except DataError:
        return False
    return True


# names and people


@pytest.mark.parametrize("names", [["a", "a"], ["a", " "]])
def test_attributes_and_classes_have_names_of_their_own(tmp_path, names):
    traits = RNG.integers(0, 2, (300, 2))
    with pytest.raises(DataError, match=r"2 attributes are called 'a'|one of the attributes has no name"):
        source(
            tmp_path, images=IMAGES, labels=LABELS, attributes=traits, attribute_names=np.array(names)
        ).load()
    with pytest.raises(DataError, match=r"2 classes are called 'a'|one of the classes has no name"):
        source(tmp_path, images=IMAGES, labels=LABELS, class_names=np.array([*names, "c"])).load()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 1000))
def test_a_partition_is_the_same_under_other_numbers(groups, seed):
    first = torch.tensor(groups)
    other = torch.randperm(5, generator=torch.Generator().manual_seed(seed)) * 17 + 3
    assert same_partition(first, other[first])
    merged = torch.where(first == 4, 3, first)
    assert same_partition(first, merged) == (4 not in groups or 3 not in groups)


def test_labels_that_are_the_people_under_other_numbers_split_by_image(tmp_path):
    who = np.repeat(np.arange(20), 15)
    for identities in (who, who + 1000, 19 - who):
        dataset = source(tmp_path, images=IMAGES, labels=who, identities=identities).load()
        assert not dataset.identity_disjoint
        assert len(make_split(dataset, 0, "small").auxiliary) == 108
    assert source(tmp_path, images=IMAGES, labels=who // 2, identities=who).load().identity_disjoint
