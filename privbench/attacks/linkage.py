"""Linkage: each release is won by the candidate that explains it best."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._analytic import window_sizes
from privbench.attacks._matching import Expectation, leads, sorted_windows
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.linkage import LinkageAttack, LinkageChallenge

_PROBES = 2000
_PROBED_NUMBERS = 2**27
_EXACT = 1e-3
_ANEW, _EXPECTED = 1, 2
"""How candidates are compared, 0 being as they are: the numbers in the record's ``comparison``."""


@register("linkage")
class Linkage(LinkageAttack):
    """Candidates compete for each release by the sorted values of windows.

    A candidate's score is by how much it is nearer to its best release than all other candidates. Which
    windows, and whether candidates are compared as they are, protected anew (which is exact where a
    defense is deterministic) or as a linear regression expects their releases (noise), is chosen on
    auxiliary images, half of which the adversary releases itself.
    """

    source: ClassVar[str] = (
        "privbench's; the multiset of a window's values is what a shuffle keeps (compare Chuman and Kiya on "
        "block-wise scrambling, Information 14(6):311, 2023)"
    )

    probes: int = Field(_PROBES, ge=20, description="auxiliary images to choose the comparison on, at most")

    def guess(self, view: AdversaryView, challenge: LinkageChallenge) -> torch.Tensor:
        """By how much each candidate leads for a release, float64 [N]."""
        images = view.auxiliary.images
        known = images[: max(2, min(self.probes, _PROBED_NUMBERS // images[0].numel()))].to(view.device)
        size, way, expected = self._chosen(view, known)
        images = challenge.images.to(view.device)
        queries = sorted_windows(view.simulate(images, "candidates") if way == _ANEW else images, size)
        if way == _EXPECTED:
            queries = expected(queries)
        return leads(queries, sorted_windows(view.released["images"], size))

    def _chosen(self, view: AdversaryView, known: torch.Tensor) -> tuple[tuple[int, int], int, Expectation]:
        generator = torch.Generator().manual_seed(view.seed("released"))
        inside = torch.rand(len(known), generator=generator) < 0.5
        inside[:2] = torch.tensor([True, False])
        release = view.simulate(known[inside.to(known.device)], "release")
        again = view.simulate(known, "query")
        best: tuple[tuple[float, float], tuple[int, int], int, Expectation] | None = None
        for size in window_sizes((known.shape[1], known.shape[2], known.shape[3])):
            plain, anew, released = (sorted_windows(x, size) for x in (known, again, release))
            expected = Expectation.fitted(plain, anew)
            for way, queries in enumerate((plain, anew, expected(plain))):
                quality = separation(leads(queries, released).cpu(), inside)
                if best is None or quality > best[0]:
                    best = (quality, size, way, expected)
        assert best is not None
        quality, size, way, expected = best
        view.log["validation-auc"] = [quality[0]]
        view.log["window"] = [float(side) for side in size]
        view.log["comparison"] = [float(way)]
        return size, way, expected


def separation(scores: torch.Tensor, inside: torch.Tensor) -> tuple[float, float]:
    """How well ``scores`` [N] tell who is ``inside``, bool [N]: AUC, then the gap at its limit.

    The gap, from the highest outside to the lowest inside but for a hundredth of each, in standard
    deviations, tells apart the comparisons that all reach an AUC of 1 on few images: one with more room
    keeps it on more of them, and one that is exact has no deviation at all.
    """
    from sklearn.metrics import roc_auc_score

    within, without = scores[inside], scores[~inside]
    gap = float(within.quantile(0.01) - without.quantile(0.99))
    spread = float((within.var(correction=0) + without.var(correction=0)).sqrt())
    return float(roc_auc_score(inside, scores)), round(gap / max(spread, _EXACT), 3)
