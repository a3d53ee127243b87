"""Estimates of original images that need no learning."""

from __future__ import annotations

import math

import torch

from privbench.core.view import AdversaryView

_PROBES = 512


def window_means(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Each channel's ``size`` (height, width) windows replaced by their means: [N, C, H, W].

    ``size`` must divide the image. The mean of a window is what a shuffle inside it preserves.
    """
    height, width = size
    n, c, h, w = images.shape
    tiles = images.reshape(n, c, h // height, height, w // width, width)
    return tiles.mean(dim=(3, 5), keepdim=True).expand_as(tiles).reshape(n, c, h, w)


def window_sizes(shape: tuple[int, int, int]) -> list[tuple[int, int]]:
    """The windows (height, width) to try on images of ``shape``: squares that divide it, and the whole."""
    _, height, width = shape
    common = math.gcd(height, width)
    squares = [(s, s) for s in range(1, common + 1) if common % s == 0 and (s, s) != (height, width)]
    return [*squares, (height, width)]


def best_window(view: AdversaryView) -> tuple[int, int]:
    """The window whose means come closest (MSE) to auxiliary images that the adversary protected itself."""
    originals = view.auxiliary.images[:_PROBES].to(view.device)
    released = view.simulate(originals, "window")
    sizes = window_sizes(tuple(originals.shape[1:]))  # type: ignore[arg-type]
    errors = [float((window_means(released, size) - originals).square().double().mean()) for size in sizes]
    return sizes[errors.index(min(errors))]
