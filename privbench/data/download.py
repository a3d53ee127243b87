"""The only code of privbench's own that downloads: one file over https, pinned by SHA-256 and size.

A file counts only while its SHA-256 equals its pin, and a wrong or partial one never reaches its place.
"""

from __future__ import annotations

import hashlib
import ssl
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from privbench.core.errors import UserError

_BLOCK = 1 << 20
_TIMEOUT = 60.0

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all."""


def fault(path: Path, sha256: str) -> str:
    """What is wrong with the file at ``path``: ``missing``, ``wrong``, ``unreadable (…)``, or ``""``.

    A file is hashed again only once its size or time of change differ.
    """
    try:
        stat = path.stat()
        found = _digest(path, stat.st_size, stat.st_mtime_ns)
    except FileNotFoundError:
        return "missing"
    except OSError as error:
        return f"unreadable ({error.strerror})"
    return "" if found == sha256 else "wrong"


def fetch(url: str, path: Path, *, sha256: str, size: int, progress: Progress | None = None) -> None:
    """Download ``url`` to ``path`` unless it is there, check it and put it in place at once.

    Args:
        url: where it is published; https, also after redirects.
        path: the file; its folder is made.
        sha256: the full digest it must have, 64 hexadecimal digits.
        size: how many bytes it has; no more are read.
        progress: called about once for each MiB.

    Raises:
        UserError: no connection (the message says how to do it by hand), no place to write, or the
            bytes do not match the pin (they are removed).
    """
    if not fault(path, sha256):
        return
    partial: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as stream:
            partial = Path(stream.name)
            found = _copy(url, stream, size, progress)
        if found != sha256:
            raise UserError(
                f"{url} gave a file with SHA-256 {found}, not {sha256}; it was removed. "
                "Try again; if it happens again, the file was changed or replaced on the way: do not use it."
            )
        partial.chmod(0o644)
        partial.replace(path)
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise UserError(
            f"{url} could not be downloaded: {reason}. Try again later. "
            f"Or download {url} by hand and put it into {path.parent}."
        ) from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


@lru_cache(maxsize=32)
def _digest(path: Path, size: int, modified: int) -> str:  # noqa: ARG001 - a changed file is another key
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _copy(url: str, target: IO[bytes], size: int, progress: Progress | None) -> str:
    digest = hashlib.sha256()
    done = 0
    with _open(url) as stream:
        while block := stream.read(_BLOCK):
            target.write(block)
            digest.update(block)
            done += len(block)
            if progress is not None:
                progress(done, size)
            if done > size:
                break
    if done < size:
        raise ConnectionError(f"the connection ended after {done} of {size} bytes")
    return digest.hexdigest()


def _open(url: str) -> IO[bytes]:
    _require_https(url)
    context = ssl.create_default_context()
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _HttpsOnly())
    stream: IO[bytes] = opener.open(urllib.request.Request(url), timeout=_TIMEOUT)  # noqa: S310 - https only
    return stream


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        _require_https(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _require_https(url: str) -> None:
    if not url.startswith("https://"):
        raise UserError(f"refused to download from {url!r}: only https is allowed.")
