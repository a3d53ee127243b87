"""The blend of several estimates of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def fit_blend(terms: Sequence[torch.Tensor], originals: torch.Tensor) -> tuple[float, ...]:
    """The weights of ``terms``, each [N, C, H, W], whose weighted sum is nearest to ``originals``.

    Terms may depend on each other (all are constant images on noise): the least-norm solution.
    """
    columns = torch.stack([term.flatten() for term in terms], 1).double()
    solution: list[float] = (
        torch.linalg.pinv(columns.T @ columns, rtol=1e-9, hermitian=True)
        @ (columns.T @ originals.flatten().double())
    ).tolist()
    return tuple(solution)
