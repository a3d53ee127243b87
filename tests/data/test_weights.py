"""Pinned weights: the table, what is here of it, and how it is read; test_download.py has the downloads."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import urllib.error
from dataclasses import replace

import pytest
import torch

from privbench.core.errors import UserError
from privbench.data import download, weights

CONTENT = b"weights" * 300_000
ENTRY = weights.WeightFile(
    "toy",
    "https://example.org/files/toy.pth",
    hashlib.sha256(CONTENT).hexdigest(),
    len(CONTENT),
    "none",
    "tests",
    "tests",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PRIVBENCH_WEIGHTS", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "FILES", (ENTRY,))
    return tmp_path / "cache"


def serve(monkeypatch, answer):
    calls = []

    def opened(url):
        calls.append(url)
        if isinstance(answer, BaseException):
            raise answer
        return io.BytesIO(answer)

    monkeypatch.setattr(download, "_open", opened)
    return calls


def left(folder):
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_table_is_pinned():
    assert [entry.name for entry in weights.FILES] == ["alexnet", "vgg16", "vggface2"]
    for entry in weights.FILES:
        assert weights.find(entry.name) is entry
        assert entry.url.startswith("https://")
        assert len(entry.sha256) == 64
        assert set(entry.sha256) <= set("0123456789abcdef")
        assert entry.size > 10**8
        assert entry.licence
        assert entry.used_by
        assert entry.digest_source
    for name in ("alexnet", "vgg16"):
        entry = weights.find(name)
        assert entry.file_name.rpartition("-")[2] == f"{entry.sha256[:8]}.pth"


def test_table_agrees_with_torchvision():
    from torchvision.models import AlexNet_Weights, VGG16_Weights

    assert weights.find("alexnet").url == AlexNet_Weights.IMAGENET1K_V1.url
    assert weights.find("vgg16").url == VGG16_Weights.IMAGENET1K_V1.url


def test_fetch_puts_a_checked_file_in_place_once(folder, monkeypatch):
    calls = serve(monkeypatch, CONTENT)
    assert weights.path("toy") is None
    assert "privbench weights fetch toy" in weights.problem("toy")
    seen = []
    location = weights.fetch("toy", lambda done, total: seen.append((done, total)))
    assert location == folder / "toy.pth"
    assert location.read_bytes() == CONTENT
    assert left(folder) == ["toy.pth"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert weights.path("toy") == location
    assert weights.problem("toy") is None
    assert weights.fetch("toy") == location
    assert calls == [ENTRY.url]


def test_wrong_bytes_are_refused_and_removed(folder, monkeypatch):
    serve(monkeypatch, CONTENT[:-1] + b"!")
    with pytest.raises(UserError, match="it was removed"):
        weights.fetch("toy")
    assert left(folder) == []
    assert weights.path("toy") is None


def test_a_failed_download_says_how_to_do_it_by_hand(folder, monkeypatch):
    serve(monkeypatch, urllib.error.URLError("no route"))
    with pytest.raises(UserError) as raised:
        weights.fetch("toy")
    assert str(raised.value) == (
        f"{ENTRY.url} could not be downloaded: no route. Try again later. "
        f"Or download {ENTRY.url} by hand and put it into {folder}."
    )
    assert left(folder) == []


def test_a_failed_fetch_keeps_no_wrong_file_usable_and_a_good_one_replaces_it(folder, monkeypatch):
    folder.mkdir()
    (folder / "toy.pth").write_bytes(b"damaged")
    assert weights.path("toy") is None
    assert "does not match its published SHA-256" in weights.problem("toy")
    serve(monkeypatch, CONTENT)
    weights.fetch("toy")
    assert weights.path("toy").read_bytes() == CONTENT


def test_a_file_that_changes_is_hashed_again(folder, monkeypatch):
    serve(monkeypatch, CONTENT)
    location = weights.fetch("toy")
    location.write_bytes(CONTENT + b"x")
    assert weights.path("toy") is None


@pytest.mark.parametrize("url", ["http://example.org/toy.pth", "file:///etc/hostname"])
def test_only_https(folder, monkeypatch, url):
    monkeypatch.setattr(weights, "FILES", (replace(ENTRY, url=url),))
    with pytest.raises(UserError, match="only https"):
        weights.fetch("toy")
    assert left(folder) == []


def test_an_unknown_name_gives_the_nearest():
    for function in (weights.find, weights.path, weights.problem, weights.fetch, weights.state_dict):
        with pytest.raises(UserError, match="'alexnet'"):
            function("alexnett")


def test_folder_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVBENCH_WEIGHTS", "~/elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert weights.weights_folder() == tmp_path / "elsewhere"
    monkeypatch.delenv("PRIVBENCH_WEIGHTS")
    assert weights.weights_folder() == tmp_path / ".cache" / "privbench" / "weights"


def save(folder, monkeypatch, content):
    folder.mkdir(exist_ok=True)
    torch.save(content, folder / "toy.pth")
    digest = hashlib.sha256((folder / "toy.pth").read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "FILES", (replace(ENTRY, sha256=digest),))


def test_state_dict_is_read_after_the_check_only(folder, monkeypatch):
    with pytest.raises(UserError, match="is not there"):
        weights.state_dict("toy")
    save(folder, monkeypatch, {"w": torch.arange(3.0)})
    assert weights.state_dict("toy")["w"].tolist() == [0.0, 1.0, 2.0]
    monkeypatch.setattr(weights, "FILES", (ENTRY,))
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("loaded before the check"))
    with pytest.raises(UserError, match="does not match"):
        weights.state_dict("toy")


class Payload:
    def __reduce__(self):
        return print, ("code ran",)


def test_state_dict_runs_no_code_from_the_file(folder, monkeypatch, capsys):
    import pickle

    save(folder, monkeypatch, {"w": Payload()})
    with pytest.raises(pickle.UnpicklingError):
        weights.state_dict("toy")
    assert "code ran" not in capsys.readouterr().out


def test_imports_without_torch():
    code = "import sys, privbench.data.weights as w; w.problem('alexnet'); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
