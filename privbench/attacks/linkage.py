"""Linkage by what a shuffle leaves in order: the sorted values of each window."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._analytic import window_sizes
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.linkage import LinkageAttack, LinkageChallenge

_PROBES = 600
_BLOCK = 2**27


def sorted_windows(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The values of each window and channel in ascending order, [N, C·H·W].

    A shuffle inside windows does not change them. ``size`` (height, width) must divide the images; a
    window of 1×1 gives the pixels themselves.
    """
    height, width = size
    n, c, h, w = images.shape
    tiles = images.reshape(n, c, h // height, height, w // width, width).permute(0, 1, 2, 4, 3, 5)
    return tiles.reshape(n, -1, height * width).sort(dim=-1).values.flatten(1)


def nearness(queries: torch.Tensor, release: torch.Tensor) -> torch.Tensor:
    """Minus the Euclidean distance of each query [N, D] to the nearest release [M, D]: float64 [N]."""
    rows = max(1, _BLOCK // max(1, len(release) * 8))
    least = [torch.cdist(part.double(), release.double()).amin(dim=1) for part in torch.split(queries, rows)]
    return -torch.cat(least)


@register("linkage")
class Linkage(LinkageAttack):
    """Compares candidates with the release by the sorted values of windows.

    Which windows, and whether candidates are protected before they are compared (which helps against
    blur and pixelation), is chosen on auxiliary images, half of which the adversary releases itself.
    """

    source: ClassVar[str] = (
        "privbench's; the multiset of a window's values is what a shuffle keeps (compare Chuman and Kiya on "
        "block-wise scrambling, Information 14(6):311, 2023)"
    )

    probes: int = Field(_PROBES, ge=20, description="auxiliary images to choose the comparison on, at most")

    def guess(self, view: AdversaryView, challenge: LinkageChallenge) -> torch.Tensor:
        """How near the nearest release is, float64 [N]."""
        from sklearn.metrics import roc_auc_score

        known = view.auxiliary.images[: self.probes].to(view.device)
        generator = torch.Generator().manual_seed(view.seed("released"))
        inside = torch.rand(len(known), generator=generator) < 0.5
        inside[:2] = torch.tensor([True, False])
        release = view.simulate(known[inside.to(known.device)], "release")
        again = view.simulate(known, "query")
        best: tuple[float, tuple[int, int], bool] | None = None
        for size in [(1, 1), *(s for s in window_sizes(tuple(known.shape[1:])) if s != (1, 1))]:  # type: ignore[arg-type]
            for protect in (False, True):
                queries = sorted_windows(again if protect else known, size)
                scores = nearness(queries, sorted_windows(release, size)).cpu()
                quality = float(roc_auc_score(inside, scores))
                if best is None or quality > best[0] + 1e-9:
                    best = (quality, size, protect)
        assert best is not None
        quality, size, protect = best
        view.log.update(
            {"validation-auc": [quality], "window": [float(s) for s in size], "protect": [float(protect)]}
        )
        images = challenge.images.to(view.device)
        asked = view.simulate(images, "candidates") if protect else images
        return nearness(sorted_windows(asked, size), sorted_windows(view.released["images"], size))
