"""Galleries: originals, what was released, and what each attack made of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from privbench.core.errors import PrivbenchError
from privbench.report.figures.png import write_png
from privbench.store.artefacts import tensors_hash

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_CODE = ("report/figures/gallery.py", "metrics/psnr.py", "metrics/ssim.py")


def write_gallery(
    path: Path,
    title: str,
    originals: torch.Tensor,
    released: torch.Tensor,
    restored: Mapping[str, torch.Tensor],
) -> Path:
    """Write a PNG: a row for each sample; columns original, released, and each of ``restored``.

    SSIM and PSNR against the original stand under every picture but the original, PSNR alone where
    images are smaller than SSIM's window. Give samples
    that were drawn at random: a gallery of chosen ones proves nothing.

    Args:
        path: the file to write.
        title: above the pictures.
        originals: [N, C, H, W] in [0, 1], grey (C = 1) or colour (C = 3).
        released: the same shape.
        restored: for each attack's selector a tensor of the same shape, in the order of columns.

    Raises:
        PrivbenchError: there is no sample, or shapes differ or are no pictures.
    """
    columns = {"original": originals, "released": released, **restored}
    shape = tuple(originals.shape)
    if len(shape) != 4 or shape[0] == 0 or shape[1] not in {1, 3}:
        raise PrivbenchError(f"a gallery needs images [N, 1 or 3, H, W], not {shape}")
    for name, images in columns.items():
        if tuple(images.shape) != shape:
            raise PrivbenchError(f"{name!r} has shape {tuple(images.shape)}; the originals have {shape}")
    pictures = {name: images.detach().float().cpu().clamp(0, 1) for name, images in columns.items()}
    shown = repr((title, list(pictures), tensors_hash(pictures)))
    return write_png(path, shown, lambda: _draw(title, pictures), _CODE)


def _draw(title: str, columns: Mapping[str, torch.Tensor]) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from privbench.metrics.psnr import psnr
    from privbench.metrics.ssim import WINDOW, ssim

    originals = columns["original"]
    count, _, height, width = originals.shape
    has_ssim = min(height, width) >= WINDOW
    side = 1.5
    size = (side * len(columns) + 0.2, (side * height / width + 0.3) * count + 0.8)
    layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.02)
    figure = Figure(figsize=size, layout=layout)
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(count, len(columns), squeeze=False)
    for place, (name, images) in enumerate(columns.items()):
        pictures = images.permute(0, 2, 3, 1)
        if place:
            decibels = [f"{_decibels(value)} dB" for value in psnr(images, originals).tolist()]
            likeness = ["—"] * count
            if has_ssim:
                likeness = [f"{value:.2f}" for value in ssim(images, originals).tolist()]
            below = [f"{like} / {peak}" for like, peak in zip(likeness, decibels, strict=True)]
        else:
            below = ["SSIM / PSNR"] + [""] * (count - 1)
        for row in range(count):
            axes = grid[row, place]
            picture = pictures[row].numpy()
            if picture.shape[2] == 1:
                axes.imshow(picture[:, :, 0], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            else:
                axes.imshow(picture, interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            axes.set_xlabel(below[row], fontsize=7, labelpad=2)
            if row == 0:
                axes.set_title(_wrapped(name), fontsize=8)
    return figure


def _decibels(value: float) -> str:
    return f"{value:.1f}" if math.isfinite(value) and value < 99.95 else "≥100"


def _wrapped(name: str, width: int = 20) -> str:
    """``name`` in lines of about ``width``, broken after brackets and commas."""
    lines = [""]
    for part in re.split(r"(?<=[\[,])", name):
        if lines[-1] and len(lines[-1] + part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)
