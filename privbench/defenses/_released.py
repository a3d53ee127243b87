"""The shuffles of VIM's released implementation, at the native size of the images.

The published code scales images to 224 px (online) or 112 px (offline) and then works in regions
of 1/14 of the side. Here the regions are the same share of the image, and a block is at least one
pixel: on 28 px images both come down to 2×2 windows. Window sizes in native pixels are what counts
for privacy. The code is known from a third-party repository whose authorship is not verified.
"""

from __future__ import annotations

import itertools
import math

import torch

from privbench.core.errors import UserError
from privbench.core.keys import Keys
from privbench.core.seeds import derive_seed
from privbench.defenses._shuffle import common_divisors, shuffle_blocks
from privbench.defenses._sides import crops
from privbench.metrics.vfe import REFERENCE_SIZE, vfe

OFFLINE_BLOCKS = 2
_BLOCK_COUNTS = {"low": (2, 4, 8, 8), "middle": (4, 8, 8, 8), "high": (8, 8, 8, 8)}
_SCORE_EDGES = (0.1, 0.5, 0.9)
_VFE_EDGES = (0.5, 1.0)
_HIDDEN = 8


def regions_a_side(height: int, width: int, grid: int) -> int | None:
    """How many regions a side has: ``grid`` or the next fewer that can be halved; None if too few can.

    Regions have even sides, so that their quarters are blocks of whole pixels. Fewer than half of
    ``grid``, or of as many as the pixels allow, would be regions of another kind.
    """
    common = math.gcd(height, width)
    fitting = [k for k in range(1, min(grid, common) + 1) if common % (2 * k) == 0]
    wanted = min(grid, min(height, width) // 2)
    return fitting[-1] if fitting and 2 * fitting[-1] >= wanted else None


def region_of(images: torch.Tensor, grid: int) -> tuple[int, int]:
    """Height and width of the regions: ``grid`` a side, or a few less, that can be cut into quarters.

    Raises:
        UserError: the sides do not allow that; the message names crops and values of ``grid`` that work.
    """
    height, width = images.shape[2:]
    count = regions_a_side(height, width, grid)
    if count is not None:
        return height // count, width // count
    fewer = [k for k in range(grid, 0, -1) if regions_a_side(height, width, k) == k]
    also = f", or choose grid={fewer[0]}" if fewer else ""
    cut = crops(height, width, lambda side: regions_a_side(side, side, grid) is not None)
    raise UserError(
        f"vim: images of {height}x{width} px cannot be cut into about {grid} regions a side with quarters of "
        f"whole pixels. {cut}{also}."
    )


def block_count(region: tuple[int, int], wanted: int) -> int:
    """The greatest number of blocks a side, up to ``wanted`` ≥ 2, that divides both (even) sides."""
    return max(d for d in common_divisors(*region, least=1) if d <= wanted)


def _initial(name: str, *shape: int) -> torch.Tensor:
    # Uniform within ±1/sqrt(fan in), as torch initialises convolutions; the same on every machine.
    values = Keys.fresh(derive_seed(0, "vim-attention", name), 1).uniform(*shape)[0].double()
    return (2 * values - 1) / math.sqrt(math.prod(shape[1:]))


def attention(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Channel weights [N, C, 1, 1] and spatial weights [N, 1, H, W] in (0, 1), float64.

    A block in the manner of CBAM (Woo et al. 2018): the channel weights come from the average and
    the maximum of each channel through one hidden layer, the spatial weights from a 7×7 convolution
    of the average and the maximum over reweighted channels. The published block is trained together
    with the classifier and is not available; this one stays at its initialisation.
    """
    images = images.double()
    channels = images.shape[1]
    first = _initial("first", _HIDDEN, channels).to(images.device)
    second = _initial("second", channels, _HIDDEN).to(images.device)
    pooled = torch.stack([images.mean(dim=(2, 3)), images.amax(dim=(2, 3))])
    channel = torch.sigmoid(((pooled @ first.T).relu() @ second.T).sum(dim=0))[..., None, None]
    weighted = channel * images
    maps = torch.cat([weighted.mean(dim=1, keepdim=True), weighted.amax(dim=1, keepdim=True)], dim=1)
    return channel, torch.sigmoid(_convolve(maps, _initial("spatial", 1, 2, 7, 7)[0]))


def _convolve(maps: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    # Tap by tap: library convolutions are slow in float64, and in float32 their rounding depends on
    # the batch, which would now and then move a score to another bin.
    height, width = maps.shape[2:]
    padded = torch.nn.functional.pad(maps, (3, 3, 3, 3))
    total = torch.zeros_like(maps[:, :1])
    for c, y, x in itertools.product(*map(range, kernel.shape)):
        total.add_(padded[:, c : c + 1, y : y + height, x : x + width], alpha=float(kernel[c, y, x]))
    return total


def online_block_counts(images: torch.Tensor, region: tuple[int, int]) -> torch.Tensor:
    """Blocks a side for each channel and region, as published before rounding to whole pixels.

    Scores are scaled to [0, 1] within each image, and an image's setting is its own: the published
    code averages scores over a batch.

    Returns:
        int64 [N, C, R, Q] with values 2, 4 and 8.
    """
    channel, spatial = attention(images)
    scores = channel * torch.nn.functional.avg_pool2d(spatial, region)
    low, high = scores.amin(dim=(1, 2, 3), keepdim=True), scores.amax(dim=(1, 2, 3), keepdim=True)
    scores = (scores - low) / (high - low).clamp_min(1e-12)
    bins = torch.bucketize(scores, torch.tensor(_SCORE_EDGES, dtype=torch.float64, device=images.device))
    size = min(REFERENCE_SIZE, *images.shape[2:])
    energy = vfe(channel * spatial * images, "reference", size)
    setting = (energy >= _VFE_EDGES[0]).long() + (energy >= _VFE_EDGES[1]).long()
    counts = torch.tensor(list(_BLOCK_COUNTS.values()), device=images.device)
    return counts[setting[:, None, None, None], bins]


def shuffle_online(images: torch.Tensor, keys: Keys, grid: int, shared: bool = False) -> torch.Tensor:
    """Permute blocks within regions, as many as attention and VFE ask for, each channel on its own.

    Args:
        images: [N, C, H, W].
        keys: N keys.
        grid: regions a side, at most.
        shared: as in ``shuffle_blocks``.
    """
    region = region_of(images, grid)
    wanted = online_block_counts(images, region)
    wanted = wanted.repeat_interleave(region[0], dim=2).repeat_interleave(region[1], dim=3)
    possible = sorted(set(_BLOCK_COUNTS["low"]))
    fitting = {count: block_count(region, count) for count in possible}
    released = images
    for blocks in sorted(set(fitting.values())):
        shuffled = shuffle_blocks(images, keys.child(blocks), region, (blocks, blocks), shared)
        chosen = torch.isin(wanted, torch.tensor([c for c in possible if fitting[c] == blocks]).to(wanted))
        released = torch.where(chosen, shuffled, released)
    return released


def shuffle_offline(images: torch.Tensor, keys: Keys, grid: int, shared: bool = False) -> torch.Tensor:
    """Permute the four quarters of every region, each channel on its own; arguments as online."""
    region = region_of(images, grid)
    return shuffle_blocks(images, keys, region, (OFFLINE_BLOCKS, OFFLINE_BLOCKS), shared)
