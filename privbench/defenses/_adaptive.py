"""VFE-guided windows: each region of an image grows its window until the image's VFE is reached.

The rule is reconstructed from the slides and the abstract of VIM, which show only that VFE guides
the windows. All images of a batch take their steps together; energies are whole numbers (2^-32
units), so that the choice of a region does not depend on batch or device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from privbench.core.keys import Keys
from privbench.defenses._shuffle import common_divisors, shuffle_blocks

MAX_REGION = 28
_UNITS = 2.0**32


def default_region(height: int, width: int) -> int | None:
    """The common divisor up to 28 with the longest ladder of windows, and of such the largest.

    It leaves several regions, or else is the whole side. A region with one window size has nothing to
    grow: None where there is none with two.
    """
    fitting = [d for d in common_divisors(height, width) if d <= MAX_REGION and len(ladder(d)) > 1]
    several = [d for d in fitting if d < min(height, width)]
    return max(several or fitting, key=lambda d: (len(ladder(d)), d), default=None)


def ladder(region: int) -> list[int]:
    """The window sizes of a region: every divisor of its side from 2 on (28: 2, 4, 7, 14, 28)."""
    return common_divisors(region, region)


@dataclass(frozen=True)
class Energies:
    """Gradient energies of regions, for every choice of ladder level.

    Attributes:
        inner: int64 [L, N, R, Q] within each of R × Q regions at a level.
        right: int64 [L, L, N, R, Q - 1] across the edge to the region on the right, by the two levels.
        below: int64 [L, L, N, R - 1, Q] across the edge to the region below.
    """

    inner: torch.Tensor
    right: torch.Tensor
    below: torch.Tensor

    def at(self, levels: torch.Tensor) -> torch.Tensor:
        """Energy of each region, int64 [N, R, Q], where regions stand at ``levels`` (same shape)."""
        count = len(self.inner)
        energy = self.inner.gather(0, levels[None])[0]
        across = levels[:, :, :-1] * count + levels[:, :, 1:]
        energy[:, :, :-1] += self.right.flatten(0, 1).gather(0, across[None])[0]
        across = levels[:, :-1] * count + levels[:, 1:]
        energy[:, :-1] += self.below.flatten(0, 1).gather(0, across[None])[0]
        return energy


def _units(differences: torch.Tensor) -> torch.Tensor:
    # Whole numbers in float64: their sums are exact, in whatever order, below 2^53.
    return differences.square_().mul_(_UNITS).round_()


def measure(versions: torch.Tensor, region: int) -> Energies:
    """Energies of ``versions`` [L, N, C, H, W], the images shuffled at each level, in square regions."""
    exact = versions.double()
    *outer, _, height, width = versions.shape
    energy = torch.zeros(*outer, height, width, dtype=torch.float64, device=versions.device)
    energy[..., :-1] += _units(exact.diff(dim=4)).sum(dim=2)
    energy[..., region - 1 :: region] = 0
    down = _units(exact.diff(dim=3)).sum(dim=2)
    down[..., region - 1 :: region, :] = 0
    energy[..., :-1, :] += down
    inner = energy.view(*outer, height // region, region, width).sum(dim=3)
    inner = inner.view(*outer, height // region, width // region, region).sum(dim=4)

    cut = exact.view(*exact.shape[:3], height // region, region, width // region, region)
    right = _units(cut[:, None, ..., :-1, -1] - cut[None, ..., 1:, 0]).sum(dim=(3, 5))
    below = _units(cut[:, None, :, :, :-1, -1] - cut[None, :, :, :, 1:, 0]).sum(dim=(3, 6))
    return Energies(inner.long(), right.long(), below.long())


def grow(energies: Energies, target: float, pixels: int) -> torch.Tensor:
    """Raise the level of the region of least energy, one a step, until the image's VFE is ``target``.

    Args:
        energies: of N images.
        target: VFE (mode ``mean``) at which an image stops.
        pixels: H·W of an image.

    Returns:
        int64 [N, R, Q], the ladder level of each region; an image that cannot reach ``target`` has
        all regions at the last level.
    """
    count, images, *grid = energies.inner.shape
    levels = torch.zeros(images, *grid, dtype=torch.int64, device=energies.inner.device)
    goal = round(target * pixels * _UNITS)
    for _ in range(levels[:1].numel() * (count - 1)):
        energy, flat = energies.at(levels).flatten(1), levels.flatten(1)
        growable = flat < count - 1
        going = (energy.sum(dim=1) < goal) & growable.any(dim=1)
        if not bool(going.any()):
            break
        least = energy.masked_fill(~growable, torch.iinfo(torch.int64).max).argmin(dim=1, keepdim=True)
        levels = flat.scatter_add(1, least, going[:, None].long()).view_as(levels)
    return levels


def shuffle_adaptively(
    images: torch.Tensor, keys: Keys, region: int, target: float, shared: bool = False
) -> torch.Tensor:
    """Shuffle pixels in windows whose size each region chooses.

    Args:
        images: [N, C, H, W].
        keys: N keys; each window size draws from a stream of its own.
        region: side of the regions; divides H and W. The ladder of window sizes is every divisor
            of it from 2 on; see ``ladder``.
        target: VFE (mode ``mean``) at which an image stops growing.
        shared: as in ``shuffle_blocks``.
    """
    windows = ladder(region)
    versions = torch.stack([shuffle_blocks(images, keys.child(w), (w, w), (w, w), shared) for w in windows])
    height, width = images.shape[2:]
    levels = grow(measure(versions, region), target, height * width)
    chosen = levels.repeat_interleave(region, dim=1).repeat_interleave(region, dim=2)
    return versions.gather(0, chosen[None, :, None].expand_as(versions[:1]))[0]
