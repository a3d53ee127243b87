"""Datasets that a path names: good input is read exactly, bad input says what is wrong."""

import re
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from privbench.core.errors import DataError, UserError
from privbench.data.datasets.imagefolder import ImageFolder
from privbench.data.datasets.npz import Npz

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 12, 10, 3), dtype=np.uint8)
LABELS = np.arange(40) % 4


def saved(tmp_path, **arrays):
    path = tmp_path / "data.npz"
    np.savez(path, **arrays)
    return Npz(path=str(path))


# npz


def test_npz_colour(tmp_path):
    dataset = saved(
        tmp_path, images=IMAGES, labels=LABELS.astype(np.uint8), class_names=np.array(list("abcd"))
    ).load()
    assert dataset.data.images.shape == (40, 3, 12, 10)
    assert np.array_equal(dataset.data.images.permute(0, 2, 3, 1).numpy(), IMAGES)
    assert dataset.data.labels.dtype == torch.int64
    assert dataset.class_names == ("a", "b", "c", "d")
    assert not dataset.identity_disjoint


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_npz_grey_floats(tmp_path, dtype):
    grey = (IMAGES[..., 0] / 255).astype(dtype)
    dataset = saved(tmp_path, images=grey, labels=LABELS).load()
    assert dataset.data.images.shape == (40, 1, 12, 10)
    assert np.array_equal(dataset.data.images[:, 0].numpy(), grey.astype(np.float32))
    assert dataset.class_names == ("0", "1", "2", "3")


def test_npz_in_two_parts(tmp_path):
    dataset = saved(
        tmp_path,
        train_images=IMAGES[:30],
        test_images=IMAGES[30:],
        train_labels=LABELS[:30],
        test_labels=LABELS[30:],
    ).load()
    assert dataset.data.labels.tolist() == LABELS.tolist()
    assert np.array_equal(dataset.data.images.permute(0, 2, 3, 1).numpy(), IMAGES)


def test_npz_identities_and_attributes(tmp_path):
    people, traits = np.arange(40) // 4, RNG.integers(0, 2, (40, 2)).astype(bool)
    source = saved(
        tmp_path,
        images=IMAGES,
        labels=LABELS,
        identities=people,
        attributes=traits,
        attribute_names=np.array(["hat", "beard"]),
    )
    dataset = source.load()
    assert dataset.identity_disjoint
    assert dataset.data.identities.tolist() == people.tolist()
    assert np.array_equal(dataset.data.attributes.numpy(), traits)
    assert dataset.attribute_names == ("hat", "beard")


def test_npz_whose_labels_are_the_identities_splits_by_image(tmp_path):
    assert not saved(tmp_path, images=IMAGES, labels=LABELS, identities=LABELS).load().identity_disjoint


def test_npz_resized(tmp_path):
    source = saved(tmp_path, images=np.full((40, 20, 30), 0.25), labels=LABELS)
    images = Npz(path=source.path, size=16).load().data.images
    assert images.shape == (40, 1, 16, 16)
    assert torch.allclose(images, torch.tensor(0.25))


def test_npz_selector_and_hash(tmp_path):
    source = saved(tmp_path, images=IMAGES, labels=LABELS)
    assert source.selector == f"npz:{source.path}"
    assert Npz(path="a,path=b.npz", size=16).selector == "npz:a,path=b.npz[size=16]"
    assert source.content_hash() != Npz(path=source.path, size=16).content_hash()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = elsewhere / "data.npz"
    moved.write_bytes((tmp_path / "data.npz").read_bytes())
    assert Npz(path=str(moved)).content_hash() == source.content_hash()


NAN = np.where(np.arange(40)[:, None, None] == 7, np.nan, np.full((40, 8, 8), 0.5))
BAD = {
    "no images": ({"labels": LABELS}, "there is no array 'images'.*it holds labels"),
    "no part of that name": (
        {"trained_images": IMAGES, "labels": LABELS},
        "no array 'images', nor 'train_images' with",
    ),
    "parts of two sizes": (
        {"train_images": IMAGES, "test_images": IMAGES[:, :9], "train_labels": LABELS, "test_labels": LABELS},
        "'train_images' .*and 'test_images' .*do not fit together",
    ),
    "object arrays": (
        {"images": np.array([{}, []], dtype=object), "labels": LABELS},
        "'images'.*Object arrays",
    ),
    "integer images": (
        {"images": IMAGES.astype(np.int64), "labels": LABELS},
        "images are int64; expected uint8",
    ),
    "complex images": ({"images": IMAGES.astype(complex), "labels": LABELS}, "images are complex128"),
    "flat images": ({"images": IMAGES.reshape(40, -1), "labels": LABELS}, r"images have shape \[40, 360\]"),
    "channels first": ({"images": IMAGES.transpose(0, 3, 1, 2), "labels": LABELS}, "Move the channels last"),
    "five channels": ({"images": np.zeros((40, 8, 8, 5), np.uint8), "labels": LABELS}, "with C 1 .*or 3"),
    "tiny images": ({"images": IMAGES[:, :7], "labels": LABELS}, "7×10; each side must be at least 8"),
    "no image": ({"images": IMAGES[:0], "labels": LABELS[:0]}, "there are no images"),
    "floats above 1": (
        {"images": IMAGES.astype(np.float32), "labels": LABELS},
        r"range from 0 to 255; expected \[0",
    ),
    "floats below 0": ({"images": np.full((40, 8, 8), -0.5), "labels": LABELS}, "range from -0.5 to -0.5"),
    "NaN": ({"images": NAN, "labels": LABELS}, "NaN .*in 1 image .*first is image 7"),
    "infinite": (
        {"images": np.full((40, 8, 8), np.inf), "labels": LABELS},
        "NaN or infinite pixels in 40 images",
    ),
    "missing labels": (
        {"images": IMAGES, "labels": LABELS[:39]},
        r"labels have shape \[39\]; expected \[40\]",
    ),
    "labels in a table": (
        {"images": IMAGES, "labels": np.stack([LABELS, LABELS], 1)},
        r"labels have shape \[40, 2\].*called 'attributes'",
    ),
    "negative label": (
        {"images": IMAGES, "labels": LABELS - 1},
        "labels must not be negative; number 0 is -1",
    ),
    "float labels": ({"images": IMAGES, "labels": LABELS * 1.0}, "labels are float64; expected integers"),
    "string labels": ({"images": IMAGES, "labels": LABELS.astype(str)}, "labels are <U.*expected integers"),
    "one class": ({"images": IMAGES, "labels": LABELS * 0}, "there is only one class"),
    "a gap": (
        {"images": IMAGES, "labels": LABELS * 2},
        "class 1 .* has 0 images; each class needs at least 2",
    ),
    "huge label": (
        {"images": IMAGES, "labels": LABELS * 10**12},
        "label 3000000000000 is too large for 40 images",
    ),
    "label beyond names": (
        {"images": IMAGES, "labels": LABELS, "class_names": np.array(["a", "b"])},
        r"label 3 is outside 0..1 \(2 class names",
    ),
    "names as numbers": (
        {"images": IMAGES, "labels": LABELS, "class_names": LABELS},
        "class_names must be a list",
    ),
    "attribute of 2": (
        {"images": IMAGES, "labels": LABELS, "attributes": LABELS[:, None]},
        "attributes range from 0 to 3; expected 0 and 1",
    ),
    "attributes flat": (
        {"images": IMAGES, "labels": LABELS, "attributes": LABELS % 2},
        "attributes have shape",
    ),
    "names without attributes": (
        {"images": IMAGES, "labels": LABELS, "attribute_names": np.array(["hat"])},
        "attribute names are given, but no attributes",
    ),
    "identities too few": (
        {"images": IMAGES, "labels": LABELS, "identities": LABELS[:5]},
        r"identities have shape \[5\]; expected \[40\]",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_npz_bad_arrays(tmp_path, case):
    arrays, message = BAD[case]
    source = saved(tmp_path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        source.load()
    assert source.path in str(caught.value)


def test_npz_missing_file():
    for call in (Npz(path="/nowhere/x.npz").load, Npz(path="/nowhere/x.npz").content_hash):
        with pytest.raises(DataError, match=r"no file '/nowhere/x.npz'.*privbench show dataset npz"):
            call()


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut"])
def test_npz_that_is_none(tmp_path, content):
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(str(path)) + ".*is (damaged|no .npz archive)"):
        Npz(path=str(path)).load()


def test_npz_damaged_inside(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, images=IMAGES, labels=LABELS)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("images.npy").header_offset
    content = bytearray(path.read_bytes())
    content[start + 2000] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"the file is damaged"):
        Npz(path=str(path)).load()


def test_npz_single_array(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    with pytest.raises(DataError, match=r"this is one array"):
        Npz(path=str(tmp_path / "x.npy")).load()


def test_npz_never_unpickles(tmp_path):
    class Payload:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    source = saved(tmp_path, images=np.array([Payload()], dtype=object), labels=LABELS)
    with pytest.raises(DataError, match=r"Object arrays are refused"):
        source.load()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "params", [{}, {"path": ""}, {"path": "x.npz", "size": 4}, {"path": "x.npz", "sise": 4}]
)
def test_npz_bad_parameters(params):
    with pytest.raises(UserError, match=r"npz"):
        Npz.create(params)


# imagefolder


@pytest.fixture
def folder(tmp_path):
    for number, name in enumerate(["cat", "ant", "bee"]):
        (tmp_path / name / "more").mkdir(parents=True)
        for index in range(4):
            picture = np.full((20, 30, 3), 60 * number + 10 * index, dtype=np.uint8)
            picture[:, :5] = picture[:, -5:] = 255
            place = tmp_path / name / ("more" if index == 3 else "")
            Image.fromarray(picture).save(place / f"{index}.{'PNG' if index else 'bmp'}")
        (tmp_path / name / "notes.txt").write_text("no image")
    (tmp_path / ".hidden").mkdir()
    return tmp_path


def test_imagefolder(folder):
    dataset = ImageFolder(path=str(folder), size=16).load()
    assert dataset.class_names == ("ant", "bee", "cat")
    assert dataset.data.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert dataset.data.images.shape == (12, 3, 16, 16)
    # The white margins outside the centre square are cut off; classes keep their own brightness.
    brightness = dataset.data.images.flatten(1).float()
    assert torch.equal(brightness.amin(dim=1), brightness.amax(dim=1))
    assert brightness[:, 0].tolist() == [60.0, 70, 80, 90, 120, 130, 140, 150, 0, 10, 20, 30]
    assert ImageFolder(path=str(folder), size=16, grey=True).load().data.images.shape == (12, 1, 16, 16)


def test_imagefolder_hash_and_selector(folder, monkeypatch):
    source = ImageFolder(path=str(folder), grey=True)
    assert source.selector == f"imagefolder:{folder}[grey=true]"
    assert ImageFolder(path=str(folder)).selector == f"imagefolder:{folder}"
    before = source.content_hash()
    assert before == source.content_hash() != ImageFolder(path=str(folder)).content_hash()
    (folder / "ant" / "1.PNG").rename(folder / "ant" / "9.PNG")
    renamed = source.content_hash()
    (folder / "ant" / "9.PNG").write_bytes((folder / "ant" / "2.PNG").read_bytes())
    changed = source.content_hash()
    monkeypatch.setattr("privbench.data.datasets.imagefolder._HASH_WHOLE", 0)
    assert len({before, renamed, changed, source.content_hash()}) == 4


def test_imagefolder_missing():
    with pytest.raises(DataError, match=r"no folder '/nowhere': it is not there. Give a folder"):
        ImageFolder(path="/nowhere").content_hash()


def test_imagefolder_without_classes(tmp_path):
    (tmp_path / "only").mkdir()
    with pytest.raises(DataError, match=r"has 1 class folder; expected at least two.*/only"):
        ImageFolder(path=str(tmp_path)).load()


def test_imagefolder_with_an_empty_class(folder):
    (folder / "dog").mkdir()
    with pytest.raises(
        DataError, match=r"class 'dog' of .* has no images .*Fill the sub-folder or remove it"
    ):
        ImageFolder(path=str(folder)).content_hash()


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_imagefolder_names_an_unreadable_image(folder, content):
    bad = folder / "bee" / "2.PNG"
    bad.write_bytes(bad.read_bytes()[:60] if content is None else content)
    with pytest.raises(DataError, match=r"cannot read the image .*bee.2\.PNG.*Repair or remove"):
        ImageFolder(path=str(folder)).load()


def test_imagefolder_with_one_image_in_a_class(folder):
    (folder / "dog").mkdir()
    Image.new("RGB", (9, 9)).save(folder / "dog" / "1.png")
    with pytest.raises(DataError, match=r"class 3 \('dog'\) has 1 image;"):
        ImageFolder(path=str(folder)).load()
