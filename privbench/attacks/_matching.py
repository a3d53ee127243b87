"""Which candidate does a release belong to? Features that defenses keep, and a contest for each release."""

from __future__ import annotations

from dataclasses import dataclass

import torch

_CHUNK = 512
_CONTEST = 2**24
_TINY = 1e-12
_SLOPES_VARIANCE = 0.01


def sorted_windows(images: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The values of each window and channel in ascending order, [N, C·H·W].

    A shuffle inside windows does not change them. ``size`` (height, width) must divide the images; a
    window of 1×1 gives the pixels themselves.
    """
    height, width = size
    _, c, h, w = images.shape
    parts = []
    # Sorting makes indices twice as large as the values.
    for part in torch.split(images, _CHUNK):
        tiles = part.reshape(len(part), c, h // height, height, w // width, width).permute(0, 1, 2, 4, 3, 5)
        tiles = tiles.reshape(len(part), -1, height * width)
        parts.append((tiles.sort(dim=-1).values if height * width > 1 else tiles).flatten(1))
    return torch.cat(parts)


@dataclass(frozen=True)
class Expectation:
    """What is expected of a release, given its original: a line for each number, [D].

    Noise that is clipped, a blur or a mosaic shrink contrasts; who compares originals with releases
    favours originals with little contrast.
    """

    slope: torch.Tensor
    offset: torch.Tensor

    @classmethod
    def fitted(cls, originals: torch.Tensor, releases: torch.Tensor) -> Expectation:
        """The lines of ``releases`` on ``originals``, both [N, D], by shrunken least squares.

        A slope leans on that of all numbers together as far as its own is uncertain: a pixel that is lit
        in one of a thousand originals says nothing by itself.
        """
        x, y = originals.double(), releases.double()
        centred, means = x - x.mean(0), y.mean(0)
        variance, covariance = centred.square().mean(0), (centred * y).mean(0)
        pooled = covariance.sum() / variance.sum().clamp_min(_TINY)
        unexplained = (y - means - pooled * centred).square().mean()
        weight = (unexplained / (len(x) * _SLOPES_VARIANCE)).clamp_min(_TINY)
        slope = (covariance + weight * pooled) / (variance + weight)
        return cls(slope, means - slope * x.mean(0))

    def __call__(self, originals: torch.Tensor) -> torch.Tensor:
        """The expected releases, float64 [N, D]."""
        return self.slope * originals.double() + self.offset


def leads(queries: torch.Tensor, releases: torch.Tensor) -> torch.Tensor:
    """By how much each query [N, D] wins its best release [M, D] from all other queries: float64 [N].

    A release was made of one original at most, so queries compete for it. A query's lead is
    (other - own) / (other + own), of its own squared distance and the nearest other query's: 1 where it
    alone fits exactly, -1 where another does, 0 where both are as near. A distance alone says less,
    since some images are near to everything and some releases are noisier than others.

    Raises:
        ValueError: fewer than two queries.
    """
    count = len(queries)
    if count < 2:
        raise ValueError("a contest needs two queries or more")
    best = torch.full((count,), -1.0, dtype=torch.float64, device=queries.device)
    rivals = torch.arange(count, device=queries.device)[:, None]
    for block in torch.split(releases, max(1, _CONTEST // count)):
        # float64: a difference of near numbers, of which float32 would leave rounding.
        distances = _squared_distances(queries, block.double())
        nearest, who = distances.topk(2, dim=0, largest=False)
        other = torch.where(rivals == who[0], nearest[1], nearest[0])
        lead = (other - distances) / (other + distances).clamp_min(_TINY)
        best = torch.maximum(best, lead.amax(dim=1))
    return best


def _squared_distances(queries: torch.Tensor, releases: torch.Tensor) -> torch.Tensor:
    own = releases.square().sum(1)
    parts = []
    for part in torch.split(queries, _CHUNK):
        asked = part.double()
        parts.append(asked.square().sum(1, keepdim=True) + own - 2 * asked @ releases.T)
    return torch.cat(parts).clamp_min(0)
