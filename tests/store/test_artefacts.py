import errno
import os
import threading

import pytest
import safetensors.torch
import torch

from privbench.core.errors import CannotWrite, CorruptArtefact
from privbench.store.artefacts import read_tensors, write_bytes, write_tensors
from privbench.store.cache import Cache

TENSORS = {"a": torch.arange(6).reshape(2, 3), "b": torch.rand(4), "c": torch.tensor([True, False])}


def test_tensors_round_trip(tmp_path):
    path = tmp_path / "x" / "t.safetensors"
    write_tensors(path, TENSORS, {"note": [1, "two"]})
    tensors, note = read_tensors(path)
    assert note == {"note": [1, "two"]}
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    assert [p.name for p in path.parent.iterdir()] == ["t.safetensors"]


@pytest.mark.parametrize("position", [0, 8, 40, -1])
def test_a_flipped_byte_is_detected(tmp_path, position):
    path = tmp_path / "t.safetensors"
    write_tensors(path, TENSORS, {})
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(bytes(content))
    with pytest.raises(CorruptArtefact, match=r"t\.safetensors"):
        read_tensors(path)


@pytest.mark.parametrize("content", [b"", b"short", b"\x00" * 100])
def test_rubbish_is_detected(tmp_path, content):
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    with pytest.raises(CorruptArtefact):
        read_tensors(path)


def test_a_damaged_artefact_is_named_and_counts_as_absent(tmp_path):
    warnings: list[str] = []
    cache = Cache(tmp_path, warnings.append)
    path = cache.path("step", {"a": 1})
    assert cache.load(path) is None
    assert not warnings
    write_tensors(path, TENSORS, {})
    path.write_bytes(path.read_bytes()[:-3])
    assert cache.load(path) is None
    assert len(warnings) == 1
    assert str(path) in warnings[0]


def test_a_full_disk_is_said_and_leaves_no_rubbish(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="disk is full"):
        write_bytes(tmp_path / "f.bin", b"content")
    assert list(tmp_path.iterdir()) == []


def test_writers_at_once_never_show_a_torn_file(tmp_path):
    path = tmp_path / "t.safetensors"
    errors: list[Exception] = []

    def work(value: int) -> None:
        try:
            for _ in range(20):
                write_tensors(path, {"a": torch.full((1000,), value)}, {"v": value})
                tensors, note = read_tensors(path)
                assert bool((tensors["a"] == note["v"]).all())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


def test_the_same_tensors_give_the_same_bytes(tmp_path):
    # The library orders metadata anew each time, so that one in two files would differ.
    path = tmp_path / "t.safetensors"
    contents = set()
    for names in [("a", "b", "c"), ("c", "b", "a")] * 10:
        write_tensors(path, {name: TENSORS[name] for name in names}, {"key": "k", "columns": {"a": "é"}})
        contents.add(path.read_bytes())
    assert len(contents) == 1
    assert read_tensors(path)[1] == {"key": "k", "columns": {"a": "é"}}


def test_the_library_reads_what_is_written(tmp_path):
    path = tmp_path / "t.safetensors"
    write_tensors(path, TENSORS, {"note": 1})
    tensors = safetensors.torch.load_file(path)
    assert all(torch.equal(tensors[name], TENSORS[name]) for name in TENSORS)
    header = int.from_bytes(path.read_bytes()[:8], "little")
    assert header % 8 == 0
