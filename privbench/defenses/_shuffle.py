"""Keyed shuffles of blocks within regions, batched over images, channels and regions."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from privbench.core.keys import Keys

CHUNK_VALUES = 1 << 18
"""Values worked on at once on a CPU: bounds memory and stays in the caches."""
ACCELERATOR_CHUNKS = 32
"""How many times as many an accelerator takes, to be busy."""


def common_divisors(height: int, width: int, least: int = 2) -> list[int]:
    """Divisors of both sides from ``least`` on, in ascending order."""
    common = math.gcd(height, width)
    return [d for d in range(least, common + 1) if common % d == 0]


def random_orders(keys: Keys, *shape: int) -> torch.Tensor:
    """Uniform permutations of the last axis: int64 [N, *shape], or [1, *shape] if all keys are equal.

    Sorting independent 64-bit values is unbiased up to ties, whose probability is below 2^-44 for
    a permutation of 1,024 items.
    """
    if len(keys) > 1 and bool((keys.values == keys.values[0]).all()):
        keys = keys[:1]
    return keys.permutation(*shape)


def shuffle_blocks(
    images: torch.Tensor, keys: Keys, region: tuple[int, int], blocks: tuple[int, int], shared: bool = False
) -> torch.Tensor:
    """Cut each region of each channel into a grid of blocks and permute the blocks uniformly.

    Args:
        images: [N, C, H, W].
        keys: N keys; images of one key get the same permutations.
        region: height and width of the regions in pixels; they divide H and W.
        blocks: how many blocks a region has along its height and width; they divide ``region``.
            Blocks of one pixel make it a pixel shuffle.
        shared: one permutation for each channel, the same in all regions, instead of one for each
            region and channel.

    Returns:
        [N, C, H, W]; each region of each channel holds the values it held before.
    """
    _, channels, height, width = images.shape
    grid = (height // region[0], width // region[1])
    size = (region[0] // blocks[0], region[1] // blocks[1])
    regions, items = math.prod(grid), math.prod(blocks)

    def work(part: torch.Tensor, part_keys: Keys) -> torch.Tensor:
        order = random_orders(part_keys, channels, 1 if shared else regions, items)
        cut = part.view(-1, channels, grid[0], blocks[0], size[0], grid[1], blocks[1], size[1])
        cut = cut.permute(0, 1, 2, 5, 3, 6, 4, 7)
        flat = cut.reshape(-1, channels, regions, items, math.prod(size))
        flat = flat.gather(3, order[..., None].expand(flat.shape))
        return flat.view(cut.shape).permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(part.shape)

    return in_chunks(work, images.contiguous(), keys)


def in_chunks(
    work: Callable[[torch.Tensor, Keys], torch.Tensor],
    images: torch.Tensor,
    keys: Keys,
    values: int = CHUNK_VALUES,
) -> torch.Tensor:
    """Apply ``work`` to slices of about ``values`` values (at least one image) and join the results."""
    values *= 1 if images.device.type == "cpu" else ACCELERATOR_CHUNKS
    step = max(1, values // max(1, images[:1].numel()))
    if len(images) <= step:
        return work(images, keys)
    starts = range(0, len(images), step)
    return torch.cat([work(images[i : i + step], keys[i : i + step]) for i in starts])
