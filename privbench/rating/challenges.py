"""The challenge that the results of one game and seed share, and how its samples are resampled."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from privbench.core.errors import DataError
from privbench.stats.bootstrap import challenge_weights

if TYPE_CHECKING:
    from privbench.store.results import Result


class SharedChallenge:
    """One resampling for all attacks on all defenses.

    A result of an adversary who knew some of the samples is about the others: it gets the weights
    that these have in the whole challenge.
    """

    def __init__(self, game: str, seed: int, results: Sequence[Result]) -> None:
        """Take the challenge from ``results``, each of which has columns."""
        self._game, self._seed = game, seed
        self._whole = next((result for result in results if result.index is None), None)
        self._parts = results

    def weights(self, result: Result, count: int) -> torch.Tensor:
        """Weights float64 [1 + R, count] for the samples that ``result`` is about.

        Raises:
            DataError: it was scored on another challenge.
        """
        index = result.index
        if index is None:
            fits = count == self._count and _same(result.clusters, self._clusters)
        else:
            fits = count == len(index) and int(index.max()) < self._count
            fits = fits and _same(result.clusters, _rows(self._clusters, index))
        if not (fits and _same_data(result, self._known)):
            raise DataError(
                f"{self._known.place} and {result.place} were scored on different challenges "
                f"({self._game}, seed {self._seed}: {self._count} and {count} samples, or other data, split "
                "or identities). They cannot stand on one board: run them again on the same data "
                "with the same version."
            )
        return self._weights if index is None else self._weights[:, index]

    @property
    def _known(self) -> Result:
        return self._whole or self._parts[0]

    @cached_property
    def _weights(self) -> torch.Tensor:
        return challenge_weights(self._game, self._seed, self._count, self._clusters)

    @cached_property
    def _count(self) -> int:
        if self._whole is not None:
            return len(next(iter(next(iter(self._whole.columns.values())).values())))
        return 1 + max(int(result.index.max()) for result in self._parts if result.index is not None)

    @cached_property
    def _clusters(self) -> torch.Tensor | None:
        if self._whole is not None or self._known.clusters is None:
            return self._known.clusters
        # Nobody scored the whole: each sample that is in no part stands for itself.
        clusters = -1 - torch.arange(self._count)
        for result in self._parts:
            if result.index is not None and result.clusters is not None:
                clusters[result.index] = result.clusters
        return clusters


def _rows(clusters: torch.Tensor | None, index: torch.Tensor) -> torch.Tensor | None:
    return None if clusters is None else clusters[index]


def _same(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    return a is b if a is None or b is None else torch.equal(a, b)


def _same_data(a: Result, b: Result) -> bool:
    hashes_a, hashes_b = a.record.provenance.hashes, b.record.provenance.hashes
    return all(hashes_a.get(name) == hashes_b.get(name) for name in ("dataset", "split"))
