"""PNG files that know what they show, so that none is drawn a second time."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import privbench
from privbench.core.hashing import text_hash
from privbench.store.artefacts import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_KEY = "privbench-shows"
_START, _END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"


def write_png(path: Path, shown: str, draw: Callable[[], Figure], code: tuple[str, ...]) -> Path:
    """Draw and write ``path``, unless the file there is whole and shows the same already.

    The same figure gives the same bytes.

    Args:
        path: the file.
        shown: all that the picture depends on beside code.
        draw: makes the figure; matplotlib is not imported where it is not called.
        code: the files of the package that decide what the picture looks like, e.g. ``metrics/ssim.py``.

    Raises:
        CannotWrite: the disk is full or the folder is not writable.
    """
    code_hash, version = _code_hash("report/figures/png.py", *code), importlib.metadata.version("matplotlib")
    digest = text_hash(f"{code_hash}|{version}|{shown}")
    if not _shows(path, digest):
        write_bytes(path, _png(draw(), digest))
    return path


def _shows(path: Path, digest: str) -> bool:
    try:
        content = path.read_bytes()
    except OSError:
        return False
    whole = content.startswith(_START) and content.endswith(_END)
    return whole and f"{_KEY}\0{digest}".encode() in content


def _png(figure: Figure, digest: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    out = io.BytesIO()
    metadata = {"Software": None, _KEY: digest}
    figure.savefig(out, format="png", dpi=110, metadata=metadata, bbox_inches="tight")
    return out.getvalue()


@cache
def _code_hash(*files: str) -> str:
    root = Path(privbench.__file__).parent
    digest = hashlib.sha256()
    for name in files:
        digest.update((root / name).read_bytes())
    return digest.hexdigest()
