"""Downloads pinned by SHA-256 and size: what is fetched, what is refused, and what is left behind."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import urllib.error
from http.client import IncompleteRead

import pytest

from privbench.core.errors import UserError
from privbench.data import download

CONTENT = b"content" * 300_000
URL = "https://example.org/files/toy.bin"
PIN = {"sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache" / "toy.bin"


def serve(monkeypatch, answer):
    calls = []

    def opened(url):
        calls.append(url)
        if isinstance(answer, BaseException):
            raise answer
        return io.BytesIO(answer) if isinstance(answer, bytes) else answer

    monkeypatch.setattr(download, "_open", opened)
    return calls


def left(path):
    return sorted(p.name for p in path.parent.iterdir()) if path.parent.exists() else []


class Breaking(io.BytesIO):
    """A response that breaks after its first block."""

    def __init__(self, error):
        super().__init__(CONTENT)
        self.error = error

    def read(self, size=-1):
        if self.tell():
            raise self.error
        return super().read(size)


def test_a_checked_file_is_put_in_place_once(path, monkeypatch):
    calls = serve(monkeypatch, CONTENT)
    assert download.fault(path, PIN["sha256"]) == "missing"
    seen = []
    download.fetch(URL, path, **PIN, progress=lambda done, total: seen.append((done, total)))
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    assert left(path) == ["toy.bin"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert download.fault(path, PIN["sha256"]) == ""
    download.fetch(URL, path, **PIN)
    assert calls == [URL]


@pytest.mark.parametrize(
    "answer", [CONTENT[:-1] + b"!", CONTENT + b"more", CONTENT[:0] + b"<html>" * len(CONTENT)]
)
def test_wrong_bytes_are_refused_and_removed(path, monkeypatch, answer):
    serve(monkeypatch, answer)
    with pytest.raises(UserError, match="it was removed"):
        download.fetch(URL, path, **PIN)
    assert left(path) == []


def test_no_more_is_read_than_the_size(path, monkeypatch):
    stream = io.BytesIO(CONTENT + bytes(20 << 20))
    stream.close = lambda: None
    serve(monkeypatch, stream)
    with pytest.raises(UserError, match="it was removed"):
        download.fetch(URL, path, **PIN)
    assert stream.tell() <= len(CONTENT) + (1 << 20)


@pytest.mark.parametrize(
    "answer",
    [
        CONTENT[:1000],
        b"",
        Breaking(ConnectionResetError("reset by peer")),
        Breaking(TimeoutError("timed out")),
        Breaking(IncompleteRead(b"", 5)),
        urllib.error.URLError("no route"),
        urllib.error.HTTPError(URL, 404, "not found", None, None),
    ],
)
def test_an_interrupted_download_leaves_nothing_and_says_how_to_do_it_by_hand(path, monkeypatch, answer):
    serve(monkeypatch, answer)
    with pytest.raises(UserError, match="by hand") as raised:
        download.fetch(URL, path, **PIN)
    assert URL in str(raised.value)
    assert str(path.parent) in str(raised.value)
    assert left(path) == []


def test_a_keyboard_interrupt_leaves_nothing(path, monkeypatch):
    serve(monkeypatch, Breaking(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        download.fetch(URL, path, **PIN)
    assert left(path) == []


def test_a_wrong_file_is_replaced_by_a_good_one_only(path, monkeypatch):
    path.parent.mkdir()
    path.write_bytes(b"damaged")
    assert download.fault(path, PIN["sha256"]) == "wrong"
    serve(monkeypatch, CONTENT[:1000])
    with pytest.raises(UserError):
        download.fetch(URL, path, **PIN)
    assert path.read_bytes() == b"damaged"
    serve(monkeypatch, CONTENT)
    download.fetch(URL, path, **PIN)
    assert path.read_bytes() == CONTENT


def test_a_file_that_changes_is_hashed_again(path, monkeypatch):
    serve(monkeypatch, CONTENT)
    download.fetch(URL, path, **PIN)
    path.write_bytes(CONTENT + b"x")
    assert download.fault(path, PIN["sha256"]) == "wrong"


def test_a_folder_in_the_files_place_is_unreadable(path):
    path.mkdir(parents=True)
    assert download.fault(path, PIN["sha256"]).startswith("unreadable (")


def test_a_folder_that_cannot_be_written_is_a_users_error(path, monkeypatch):
    path.parent.write_text("a file where the folder should be")
    serve(monkeypatch, CONTENT)
    with pytest.raises(UserError, match="could not be downloaded"):
        download.fetch(URL, path, **PIN)


@pytest.mark.parametrize("url", ["http://example.org/toy.bin", "file:///etc/hostname", "ftp://example.org/x"])
def test_only_https(path, url):
    with pytest.raises(UserError, match="only https"):
        download.fetch(url, path, **PIN)
    assert left(path) == []
    with pytest.raises(UserError, match="only https"):
        download._HttpsOnly().redirect_request(None, None, 302, "Found", {}, url)


def test_imports_without_torch():
    code = "import sys, privbench.data.download; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
