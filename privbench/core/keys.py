"""Keys of randomised defenses: counter-based randomness, one 64-bit key for each image.

Every value is a hash (SplitMix64, Steele et al. 2014) of a key and a position. The same key
therefore gives the same permutation or noise on every device and at every batch size, and a
batch is drawn in one tensor operation. A benchmark must be repeatable; a deployment must draw
its keys from a cryptographic generator instead (a 32-bit seed can be enumerated).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from privbench.core.seeds import derive_seed

_GAMMA = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def _shift_right(values: torch.Tensor, bits: int) -> torch.Tensor:
    return (values >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def mix(values: torch.Tensor) -> torch.Tensor:
    """SplitMix64's finaliser on signed 64-bit integers: a bijection that scatters every bit."""
    # In place from the second step on: new memory would cost as much as the arithmetic.
    values = _shift_right(values, 30).bitwise_xor_(values).mul_(_MIX_1)
    values = _shift_right(values, 27).bitwise_xor_(values).mul_(_MIX_2)
    return _shift_right(values, 31).bitwise_xor_(values)


@dataclass(frozen=True)
class Keys:
    """One key for each image of a batch: ``values`` is int64 of shape [N].

    >>> keys = Keys.fresh(seed=0, count=3)
    >>> bool((keys.uniform(2)[1:] == keys[1:].uniform(2)).all())
    True
    """

    values: torch.Tensor

    @classmethod
    def fresh(cls, seed: int, count: int, device: torch.device | str = "cpu") -> Keys:
        """A different key for each of ``count`` images."""
        start = torch.arange(count, dtype=torch.int64, device=device)
        return cls(mix(mix(start + 1) + derive_seed(seed, "keys")))

    @classmethod
    def fixed(cls, seed: int, count: int, device: torch.device | str = "cpu") -> Keys:
        """The same key for all ``count`` images."""
        return cls(cls.fresh(seed, 1, device).values.expand(count))

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: slice | torch.Tensor) -> Keys:
        return Keys(self.values[index])

    def child(self, axis: int) -> Keys:
        """Keys of an independent stream, numbered ``axis``."""
        return Keys(mix(self.values ^ derive_seed(axis, "child")))

    def bits(self, *shape: int) -> torch.Tensor:
        """Uniform int64 of shape [N, *shape]."""
        count = math.prod(shape)
        counter = torch.arange(1, count + 1, dtype=torch.int64, device=self.values.device)
        return mix(self.values[:, None] + counter * _GAMMA).view(len(self), *shape)

    def uniform(self, *shape: int) -> torch.Tensor:
        """Uniform float32 in [0, 1) of shape [N, *shape]."""
        return _shift_right(self.bits(*shape), 40).to(torch.float32) * 2.0**-24

    def normal(self, *shape: int) -> torch.Tensor:
        """Standard normal float32 of shape [N, *shape] (Box and Muller)."""
        radius = torch.sqrt(-2.0 * torch.log1p(-self.child(1).uniform(*shape)))
        return radius * torch.cos(2.0 * math.pi * self.child(2).uniform(*shape))

    def permutation(self, *shape: int) -> torch.Tensor:
        """Uniform random permutations, int64 of shape [N, *shape], along the last axis."""
        return self.bits(*shape).argsort(dim=-1)
