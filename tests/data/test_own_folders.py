"""Folders as people have them: splits, tables, links, odd names, no classes; nothing is left out in silence."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from privbench.core.errors import DataError, UserError
from privbench.data.datasets.imagefolder import ImageFolder
from privbench.data.reading import read

RNG = np.random.default_rng(0)


def photo(path, shade=None, side=16, grey=False):
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (side, side) if grey else (side, side, 3)
    values = RNG.integers(0, 256, shape, dtype=np.uint8) if shade is None else np.full(shape, shade, np.uint8)
    Image.fromarray(values).save(path)


def load(folder, **options):
    return read(ImageFolder(path=str(folder), **{"size": 16, **options}))


def said(dataset):
    return "; ".join(dataset.notes)


# classes and splits


@pytest.mark.parametrize("names", [("train", "val", "test"), ("Training", "Testing"), ("train",)])
def test_train_val_and_test_are_splits_and_the_classes_are_inside(tmp_path, names):
    for part, split in enumerate(names):
        for kind in ("cat", "dog", "owl"):
            for index in range(4):
                photo(tmp_path / split / kind / f"{part}{index}.png")
    dataset = load(tmp_path)
    assert dataset.class_names == ("cat", "dog", "owl")
    assert torch.bincount(dataset.data.labels).tolist() == [4 * len(names)] * 3
    told = ", ".join(f"{name} 12" for name in sorted(names))
    assert f"splits put together, since privbench makes its own: {told}" in said(dataset)


def test_a_class_may_be_in_one_split_only_and_images_without_a_class_are_said(tmp_path):
    for index in range(3):
        photo(tmp_path / "train" / "cat" / f"{index}.png")
        photo(tmp_path / "val" / "dog" / f"{index}.png")
        photo(tmp_path / "test" / f"{index}.png")
    dataset = load(tmp_path)
    assert dataset.class_names == ("cat", "dog")
    assert "3 image without a class in test/" in said(dataset)


def test_names_of_splits_that_may_be_classes_are_refused(tmp_path):
    for name in ("train", "test", "cat"):
        photo(tmp_path / name / "1.png")
    with pytest.raises(
        DataError, match=r"test/, train/, which are names of splits, beside cat: are these cl"
    ):
        load(tmp_path)
    for name in ("train", "test"):
        (tmp_path / name / "1.png").rename(tmp_path / name / "2.png")
    (tmp_path / "cat" / "1.png").unlink()
    (tmp_path / "cat").rmdir()
    with pytest.raises(DataError, match=r"names of splits, and no class folders inside.*rename them.*/test"):
        load(tmp_path)


def test_a_class_called_train_among_others_is_a_class(tmp_path):
    for name in ("train", "bus", "ship"):
        photo(tmp_path / name / "1.png")
        photo(tmp_path / name / "2.png")
    assert load(tmp_path).class_names == ("bus", "ship", "train")


def test_a_folder_of_images_has_no_classes(tmp_path):
    for index in range(4):
        photo(tmp_path / f"{index}.png", 50 * index + 40)
    dataset = load(tmp_path)
    assert dataset.class_names == ()
    assert dataset.data.labels.tolist() == [0] * 4
    assert "no classes" in said(dataset)


# what is read, followed and skipped


def test_jfif_is_read_and_what_is_skipped_is_said(tmp_path):
    for kind in ("a", "b"):
        for index in range(3):
            photo(tmp_path / kind / f"{index}.jpg")
            (tmp_path / kind / f"{index}.jpg").rename(tmp_path / kind / f"{index}.jfif")
    (tmp_path / "a" / "x.heic").write_bytes(b"1")
    (tmp_path / "a" / "y.heic").write_bytes(b"1")
    (tmp_path / "b" / "README").write_text("no image")
    (tmp_path / "b" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "b" / ".DS_Store").write_bytes(b"1")
    photo(tmp_path / "loose.png")
    dataset = load(tmp_path)
    assert len(dataset.data) == 6
    expected = (
        "5 files skipped: 2 .heic, 1 broken link, 1 image beside the class folders, 1 without an ending"
    )
    assert expected in said(dataset)


def test_links_to_folders_are_followed_at_any_depth_and_loops_end(tmp_path):
    outside = tmp_path / "outside"
    for index in range(3):
        photo(outside / "deep" / f"{index}.png")
        photo(tmp_path / "d" / "a" / f"{index}.png")
    (tmp_path / "d" / "b").symlink_to(outside)
    (tmp_path / "d" / "a" / "more").symlink_to(outside / "deep")
    (tmp_path / "d" / "a" / "loop").symlink_to(tmp_path / "d")
    dataset = load(tmp_path / "d")
    assert torch.bincount(dataset.data.labels).tolist() == [6, 3]
    assert "1 link to a folder above" in said(dataset)


@pytest.mark.parametrize(
    "name", ["my photos", "a=b,c", "ünï", "photos[v2]", "p[size=9]", "a[b]c", "[x]", "100%", "~x"]
)
def test_any_name_of_a_folder_is_read_by_its_selector(tmp_path, name):
    from privbench.engine.selection import dataset_source

    for kind in "ab":
        for index in range(3):
            photo(tmp_path / name / kind / f"{index}.png")
    source = dataset_source(f"imagefolder:{tmp_path / name}")
    assert len(source.load().data) == 6
    smaller = dataset_source(f"imagefolder:{tmp_path / name}[size=8,grey=true]")
    assert smaller.load().data.images.shape == (6, 1, 8, 8)
    for each in (source, smaller):
        again = dataset_source(each.selector)
        assert (again, again.content_hash()) == (each, each.content_hash())


def test_names_that_are_no_utf_8_can_be_read_and_printed(tmp_path):
    for kind in (b"a", b"b\xff"):
        for index in range(2):
            photo(tmp_path / "d" / os.fsdecode(kind) / os.fsdecode(b"\xfe%d.png" % index))
    dataset = load(tmp_path / "d")
    assert dataset.class_names == ("a", "b\\xff")
    assert ImageFolder(path=str(tmp_path / "d")).content_hash()
    "".join(dataset.class_names).encode()


# labels.csv


def table(folder, text, count=4, inner="images"):
    for index in range(count):
        photo(folder / inner / f"{index}.png", 40 + 40 * index)
    (folder / "labels.csv").write_text(text)
    return folder


FULL = (
    "file,class,male,race,identity\n2.png,cat,1,x,bo\n0.png,dog,0,y,al\n1.png,dog,1,z,bo\n3.png,cat,0,x,cy\n"
)


@pytest.mark.parametrize("inner", ["images", "."])
@pytest.mark.parametrize(
    "form", [str, lambda t: t.replace(",", ";"), lambda t: "\ufeff" + t.replace("\n", "\r\n")]
)
def test_a_table_gives_classes_attributes_and_people(tmp_path, inner, form):
    dataset = load(table(tmp_path, form(FULL), inner=inner))
    assert dataset.data.images[:, 0, 0, 0].tolist() == [120, 40, 80, 160]
    assert dataset.class_names == ("cat", "dog")
    assert dataset.data.labels.tolist() == [0, 1, 1, 0]
    assert dataset.attribute_names == ("male",)
    assert dataset.data.attributes.tolist() == [[1], [0], [1], [0]]
    assert dataset.data.identities.tolist() == [1, 0, 1, 2]
    assert dataset.identity_disjoint
    assert "1 column of labels.csv left out, neither 0 nor 1: 'race' (3 values)" in said(dataset)


def test_any_column_can_be_the_task_and_numbers_are_in_their_order(tmp_path):
    text = "file,age,hat\n0.png,10,yes\n1.png,9,no\n2.png,10,No\n3.png,9,yes\n"
    dataset = load(table(tmp_path, text), task="age")
    assert dataset.class_names == ("age: 9", "age: 10")
    assert dataset.data.labels.tolist() == [1, 0, 1, 0]
    assert dataset.data.attributes[:, 0].tolist() == [1, 0, 0, 1]
    without = load(tmp_path)
    assert without.class_names == ()
    with pytest.raises(UserError, match=r"'agee'. Did you mean 'age'"):
        load(tmp_path, task="agee")


def test_people_who_are_the_classes_split_by_image(tmp_path):
    text = "file,class,identity\n0.png,a,7\n1.png,b,3\n2.png,a,7\n3.png,b,3\n"
    assert not load(table(tmp_path, text)).identity_disjoint


def test_images_that_no_row_names_are_said(tmp_path):
    text = "file,class\n0.png,a\n1.png,b\n2.png,a\n3.png,b\n"
    table(tmp_path, text, count=6)
    assert "2 images left out: no row of labels.csv names them" in said(load(tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows"),
        ("file,class\n", "has no rows"),
        ("name,class\n0.png,a\n", "has no column 'file'; its columns are: name, class"),
        ("file,class\n0.png,a\n0.png,b\n", "'0.png' is in line 2 and in line 3"),
        ("file,class\n9.png,a\n", "line 2: there is no file '9.png', nor images/9.png"),
        ("file,class\n../x.png,a\n", "line 2: '../x.png' is no file below the folder"),
        ("file,class\n/etc/passwd,a\n", "is no file below the folder"),
        ("file,class\n0.png,a,b\n", "line 2: 3 values; the header names 2 columns"),
        ("file,class\n0.png,a\n1.png,\n", "line 3: class is empty"),
        ("file,a,a\n0.png,1,1\n", "columns need names of their own; 'a'"),
        ("file,class\n0.png,a\n1.png,a\n", "there is only one class"),
    ],
)
def test_tables_that_do_not_fit_are_refused_with_the_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        load(table(tmp_path, text))


def test_a_table_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00\x01,\x00\n" * 3)
    with pytest.raises(DataError, match=r"labels\.csv"):
        load(tmp_path)


def test_a_folder_in_the_place_of_the_table_is_refused(tmp_path):
    photo(tmp_path / "labels.csv" / "1.png")
    with pytest.raises(DataError, match=r"labels\.csv is no plain file"):
        load(tmp_path)


def test_the_hash_sees_the_table_and_the_options(tmp_path):
    table(tmp_path, FULL)
    hashes = [
        ImageFolder(path=str(tmp_path), **more).content_hash()
        for more in ({}, {"task": "race"}, {"crop": 12})
    ]
    (tmp_path / "labels.csv").write_text(FULL.replace("cat", "cow"))
    assert len({*hashes, ImageFolder(path=str(tmp_path)).content_hash()}) == 4


# silent conversions


def test_grey_files_read_as_colour_are_warned_of(tmp_path):
    for kind in "ab":
        for index in range(3):
            photo(tmp_path / kind / f"{index}.png", grey=True)
    (warning,) = load(tmp_path).warnings
    assert "6 images of 6 with three equal channels" in warning
    assert "grey=true ends it" in warning
    assert load(tmp_path, grey=True).warnings == ()


def test_the_same_picture_read_larger_is_warned_of(tmp_path):
    for kind in "ab":
        for index in range(3):
            photo(tmp_path / kind / f"{index}.png")
    (warning,) = load(tmp_path, size=32).warnings
    assert "6 images enlarged, the smallest from 16 to 32 px" in warning


def test_crop_cuts_the_centre_out_and_is_bounded(tmp_path):
    for kind in "ab":
        for index in range(3):
            photo(tmp_path / kind / f"{index}.png")
    whole, cut = load(tmp_path), load(tmp_path, crop=10)
    assert torch.equal(cut.data.images, whole.data.images[:, :, 3:13, 3:13])
    assert cut.fingerprint != whole.fingerprint
    assert "centre 10×10 of 16×16 px cut out" in said(cut)
    with pytest.raises(DataError, match=r"crop=17 is larger than the images of 16×16 px. Choose 8 to 16"):
        load(tmp_path, crop=17)
