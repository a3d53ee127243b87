"""CIFAR-10's binary version: how it is read, downloaded and unpacked, from small files with pins of their own."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import urllib.error

import numpy as np
import pytest
import torch

from privbench.core.errors import DataError
from privbench.data import download
from privbench.data.datasets import cifar10
from privbench.data.datasets.cifar10 import Cifar10

FOLDER = "cifar-10-batches-bin"
NAMES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
COUNT = 20


def batch(seed, labels=None):
    rng = np.random.default_rng(seed)
    records = rng.integers(0, 256, (COUNT, 3073), dtype=np.uint8)
    records[:, 0] = np.arange(COUNT) % 10 if labels is None else labels
    return records.tobytes()


def pin(monkeypatch, batches):
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in batches.items()}
    monkeypatch.setattr(cifar10, "_SHA256", digests)


@pytest.fixture
def batches(monkeypatch):
    made = {name: batch(seed) for seed, name in enumerate(NAMES)}
    pin(monkeypatch, made)
    return made


@pytest.fixture
def unpacked(batches, tmp_path):
    (tmp_path / FOLDER).mkdir()
    for name, content in batches.items():
        (tmp_path / FOLDER / name).write_bytes(content)
    return tmp_path


def plain(name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    return member, content


def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member, b""


def usual(batches, without=()):
    files = {f"{FOLDER}/{name}": content for name, content in batches.items() if name not in without}
    return [plain(name, content) for name, content in (files | {f"{FOLDER}/readme.html": b"read me"}).items()]


def archive(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for member, content in members:
            tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def publish(monkeypatch, content, answer=None):
    """Pin ``content`` as the archive and serve ``answer``, by default the same."""
    monkeypatch.setattr(cifar10, "_ARCHIVE_SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(cifar10, "_ARCHIVE_SIZE", len(content))
    calls = []

    def opened(url):
        calls.append(url)
        if isinstance(answer, BaseException):
            raise answer
        return io.BytesIO(content if answer is None else answer)

    monkeypatch.setattr(download, "_open", opened)
    return calls


def left(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_pins():
    assert list(cifar10._SHA256) == list(NAMES)
    for digest in (cifar10._ARCHIVE_SHA256, *cifar10._SHA256.values()):
        assert len(digest) == 64
        assert set(digest) <= set("0123456789abcdef")
    assert len(set(cifar10._SHA256.values())) == 6
    assert cifar10._URL.startswith("https://")
    assert cifar10._URL.endswith(f"/{cifar10._ARCHIVE}")


def test_reads_the_batches_in_their_order(unpacked, batches):
    dataset = Cifar10(root=str(unpacked)).load()
    images, labels = dataset.data.images, dataset.data.labels
    assert (images.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert images.shape == (6 * COUNT, 3, 32, 32)
    assert images.is_contiguous()
    # A slow reading: byte by byte where the format says it is.
    for place, content in enumerate(batches.values()):
        for image, channel, row, column in [
            (0, 0, 0, 0),
            (3, 0, 0, 31),
            (7, 1, 5, 9),
            (COUNT - 1, 2, 31, 31),
        ]:
            byte = content[image * 3073 + 1 + channel * 1024 + row * 32 + column]
            assert images[place * COUNT + image, channel, row, column] == byte
        assert labels[place * COUNT : (place + 1) * COUNT].tolist() == list(content[::3073])
    assert dataset.class_names[0] == "airplane"
    assert dataset.class_names[3] == "cat"
    assert dataset.class_names[9] == "truck"


def test_agrees_with_torchvision(unpacked, batches, monkeypatch):
    """The Python version holds the same images as [N, 3072]; torchvision's reader is the reference."""
    import pickle

    from torchvision.datasets import CIFAR10

    folder = unpacked / "cifar-10-batches-py"
    folder.mkdir()
    for name, content in batches.items():
        records = np.frombuffer(content, np.uint8).reshape(COUNT, 3073)
        entry = {"data": records[:, 1:].copy(), "labels": records[:, 0].tolist()}
        (folder / name.removesuffix(".bin")).write_bytes(pickle.dumps(entry))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list(cifar10._CLASSES)}))
    monkeypatch.setattr("torchvision.datasets.CIFAR10._check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
    parts = [CIFAR10(str(unpacked), train=train) for train in (True, False)]
    data = Cifar10(root=str(unpacked)).load().data
    assert np.array_equal(
        data.images.permute(0, 2, 3, 1).numpy(),
        np.concatenate([p.data for p in parts]),
    )
    assert data.labels.tolist() == [label for part in parts for label in part.targets]


def test_hash_follows_the_files_and_neither_place_nor_download(unpacked, monkeypatch):
    here = Cifar10(root=str(unpacked))
    monkeypatch.setenv("PRIVBENCH_DATA", str(unpacked))
    before = here.content_hash()
    assert before == Cifar10(download=True).content_hash()
    assert Cifar10(download=True).selector == "cifar10"
    (unpacked / FOLDER / NAMES[2]).write_bytes(b"other")
    assert here.content_hash() != before


def test_a_python_version_beside_is_not_read(batches, tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "data_batch_1").write_bytes(b"cos\nsystem\n")
    with pytest.raises(DataError, match=r"not present: .*data_batch_1.bin is missing"):
        Cifar10(root=str(tmp_path)).load()


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: b""])
def test_a_changed_or_truncated_batch_is_named(unpacked, change):
    path = unpacked / FOLDER / NAMES[4]
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(
        DataError, match=r"is damaged: .*data_batch_5.bin .*Remove .*cifar10\[download=true\]"
    ):
        Cifar10(root=str(unpacked)).load()


def test_a_batch_that_cannot_be_read_is_named(unpacked):
    path = unpacked / FOLDER / NAMES[5]
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match=r"cannot read .*test_batch.bin"):
        Cifar10(root=str(unpacked)).load()


def test_a_label_out_of_range(unpacked, batches, monkeypatch):
    content = batch(0, labels=[10] + [1] * (COUNT - 1))
    (unpacked / FOLDER / NAMES[0]).write_bytes(content)
    pin(monkeypatch, batches | {NAMES[0]: content})
    with pytest.raises(DataError, match=r"cifar10.*: label 10 is outside 0..9"):
        Cifar10(root=str(unpacked)).load()


def test_download_unpacks_the_batches_alone_and_once(batches, tmp_path, monkeypatch):
    root = tmp_path / "data"
    calls = publish(monkeypatch, archive(usual(batches)))
    source = Cifar10(root=str(root), download=True)
    before = source.content_hash()
    files = [f"{FOLDER}/{name}" for name in NAMES]
    assert left(root) == sorted([FOLDER, *files, cifar10._ARCHIVE])
    assert {name: (root / FOLDER / name).read_bytes() for name in NAMES} == batches
    assert len(source.load().data) == 6 * COUNT
    assert Cifar10(root=str(root)).content_hash() == before
    assert calls == [cifar10._URL]
    # A missing batch comes from the archive that is here.
    (root / FOLDER / NAMES[1]).unlink()
    assert source.content_hash() == before
    assert calls == [cifar10._URL]


def test_absent_data_and_no_wish_to_download(batches, tmp_path, monkeypatch):
    calls = publish(monkeypatch, archive(usual(batches)))
    with pytest.raises(DataError) as raised:
        Cifar10(root=str(tmp_path)).content_hash()
    assert str(raised.value) == (
        f"cifar10 is not present: {tmp_path / FOLDER / NAMES[0]} is missing. Download it with --dataset "
        f"'cifar10[download=true]', or unpack {cifar10._URL} into {tmp_path} "
        "(PRIVBENCH_DATA or root= names another folder)."
    )
    assert calls == []


@pytest.mark.parametrize("fault", ["no route", "cut short", "changed"])
def test_a_failed_download_leaves_nothing(batches, tmp_path, monkeypatch, fault):
    content = archive(usual(batches))
    answers = {
        "no route": urllib.error.URLError("no route"),
        "cut short": content[: len(content) // 2],
        "changed": content[:-1] + bytes([content[-1] ^ 1]),
    }
    publish(monkeypatch, content, answers[fault])
    what = "it was removed" if fault == "changed" else rf"by hand and put it into {tmp_path}"
    with pytest.raises(DataError, match=f"the download of cifar10 failed: .*{what}"):
        Cifar10(root=str(tmp_path), download=True).content_hash()
    assert left(tmp_path) == []


def test_nothing_is_written_outside_and_no_link_is_followed(batches, tmp_path, monkeypatch):
    root, secret = tmp_path / "in" / "data", tmp_path / "secret"
    secret.write_bytes(batches[NAMES[0]])
    members = [
        plain("../evil", b"evil"),
        plain(str(tmp_path / "evil"), b"evil"),
        plain(f"{FOLDER}/../../evil", b"evil"),
        plain(f"{FOLDER}/../{FOLDER}/{NAMES[0]}", b"evil"),
        link(f"{FOLDER}/sub", str(tmp_path)),
        plain(f"{FOLDER}/sub/evil", b"evil"),
        *usual(batches),
    ]
    publish(monkeypatch, archive(members))
    assert len(Cifar10(root=str(root), download=True).load().data) == 6 * COUNT
    assert left(root) == sorted([FOLDER, *(f"{FOLDER}/{name}" for name in NAMES), cifar10._ARCHIVE])
    assert left(tmp_path) == sorted(["secret", "in", "in/data", *(f"in/data/{name}" for name in left(root))])

    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        other = tmp_path / f"other{kind.decode()}"
        faulty = [link(f"{FOLDER}/{NAMES[0]}", str(secret), kind), *usual(batches, without=NAMES[:1])]
        publish(monkeypatch, archive(faulty))
        with pytest.raises(DataError, match=rf"could not be unpacked: it does not hold {FOLDER}/{NAMES[0]}"):
            Cifar10(root=str(other), download=True).load()
        assert left(other) == [cifar10._ARCHIVE]


@pytest.mark.parametrize(
    "damage", [lambda c: b"no archive", lambda c: c[: len(c) // 2], lambda c: c[:40] + bytes(99) + c[139:]]
)
def test_an_archive_that_cannot_be_unpacked(batches, tmp_path, monkeypatch, damage):
    publish(monkeypatch, damage(archive(usual(batches))))
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz could not be unpacked: .*try again"):
        Cifar10(root=str(tmp_path), download=True).content_hash()
    assert left(tmp_path) == [cifar10._ARCHIVE]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
@pytest.mark.parametrize("at", ["copy", "move"])
def test_an_interrupted_unpacking_never_looks_complete(batches, tmp_path, monkeypatch, error, at):
    publish(monkeypatch, archive(usual(batches)))
    source = Cifar10(root=str(tmp_path), download=True)
    place = (cifar10.shutil, "copyfileobj") if at == "copy" else (cifar10.Path, "replace")
    done, real = [], getattr(*place)

    def stopping(*args):
        # The first move is the downloaded archive's own.
        if len(done) == 3:
            raise error
        done.append(args)
        return real(*args)

    with monkeypatch.context() as patch:
        patch.setattr(*place, stopping)
        with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else DataError):
            source.content_hash()
    assert not [name for name in left(tmp_path) if name.startswith(".")]
    assert len([name for name in left(tmp_path) if name.endswith(".bin")]) == (2 if at == "move" else 0)
    with pytest.raises(DataError, match="is not present"):
        Cifar10(root=str(tmp_path)).load()
    assert len(source.load().data) == 6 * COUNT


def test_reading_unpickles_nothing_and_needs_no_torchvision(unpacked):
    code = (
        "import pickle, sys\n"
        "from privbench.data.datasets import cifar10\n"
        f"cifar10._SHA256 = {cifar10._SHA256!r}\n"
        "def refuse(*_, **__): raise AssertionError('unpickled')\n"
        "pickle.load = pickle.loads = pickle.Unpickler = refuse\n"
        f"assert len(cifar10.Cifar10(root={str(unpacked)!r}).load().data) == {6 * COUNT}\n"
        "assert 'torchvision' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
