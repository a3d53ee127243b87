"""The Swin transformer without buffers: indices and masks are made in the forward pass.

Per-sample gradients need the batch as first dimension of every layer's input, so windows are a
dimension of their own, and the position bias is an embedding that is looked up for each sample.
Linear layers get [N, T, C]: Opacus' ghost clipping passes over those with more dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from privbench.models._attention import Attention, mlp


def relative_index(window: int, device: torch.device) -> torch.Tensor:
    """The number in [0, (2 window - 1)^2) of each pair's displacement: int64 [window^2, window^2]."""
    place = torch.arange(window * window, device=device)
    rows, columns = place // window, place % window
    down = rows[:, None] - rows[None] + window - 1
    right = columns[:, None] - columns[None] + window - 1
    return down * (2 * window - 1) + right


def _regions(length: int, window: int, shift: int, device: torch.device) -> torch.Tensor:
    place = torch.arange(length, device=device)
    return (place >= length - window).long() + (place >= length - shift).long() if shift else place * 0


def shift_mask(
    sides: tuple[int, int], window: int, shifts: tuple[int, int], device: torch.device
) -> torch.Tensor:
    """-100 between tokens that only the cyclic shift made neighbours, else 0.

    Returns:
        float32 [windows, 1, window^2, window^2].
    """
    rows = _regions(sides[0], window, shifts[0], device)
    columns = _regions(sides[1], window, shifts[1], device)
    region = _cut((3 * rows[:, None] + columns)[None, :, :, None], window)[0, :, :, 0]
    return (region[:, None, :, None] != region[:, None, None, :]) * -100.0


def _cut(maps: torch.Tensor, window: int) -> torch.Tensor:
    """[N, H, W, C] -> [N, windows, window^2, C]."""
    count, height, width, dim = maps.shape
    cut = maps.reshape(count, height // window, window, width // window, window, dim)
    return cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)


def _join(windows: torch.Tensor, window: int, sides: tuple[int, int]) -> torch.Tensor:
    """The inverse of ``_cut`` for maps of ``sides``."""
    count, _, _, dim = windows.shape
    cut = windows.reshape(count, sides[0] // window, sides[1] // window, window, window, dim)
    return cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)


class WindowAttention(nn.Module):
    """Attention within square windows of a map, shifted cyclically by ``shift``."""

    def __init__(self, dim: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.attention = Attention(dim, heads)
        self.bias = nn.Embedding((2 * window - 1) ** 2, heads)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """[N, H, W, dim] -> the same shape; sides are padded up to whole windows."""
        count, height, width, _ = maps.shape
        window, places = self.window, self.window**2
        padded = F.pad(maps, (0, 0, 0, -width % window, 0, -height % window))
        sides = (padded.shape[1], padded.shape[2])
        shifts = tuple(0 if window >= side else self.shift for side in sides)
        rolled = padded.roll((-shifts[0], -shifts[1]), (1, 2)) if any(shifts) else padded
        index = relative_index(window, maps.device).flatten().repeat(count, 1)
        bias = self.bias(index).unflatten(1, (places, places)).permute(0, 3, 1, 2).unsqueeze(1)
        if any(shifts):
            bias = bias + shift_mask(sides, window, (shifts[0], shifts[1]), maps.device).to(bias.dtype)
        mixed = _join(self.attention(_cut(rolled, window), bias), window, sides)
        back = mixed.roll((shifts[0], shifts[1]), (1, 2)) if any(shifts) else mixed
        return back[:, :height, :width]


class Block(nn.Module):
    """Pre-norm block: window attention, then a perceptron."""

    def __init__(self, dim: int, heads: int, window: int, shift: int, drop: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = WindowAttention(dim, heads, window, shift)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = mlp(dim, 4 * dim)
        self.drop: nn.Module = StochasticDepth(drop, "row") if drop else nn.Identity()

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """[N, H, W, dim] -> [N, H, W, dim]."""
        maps = maps + self.drop(self.attention(self.norm1(maps)))
        mixed = self.mlp(self.norm2(maps).flatten(1, 2)).reshape(maps.shape)
        result: torch.Tensor = maps + self.drop(mixed)
        return result


class Merging(nn.Module):
    """Joins each 2x2 places into one of twice the width."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduce = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """[N, H, W, dim] -> [N, ceil(H / 2), ceil(W / 2), 2 dim]."""
        maps = F.pad(maps, (0, 0, 0, maps.shape[2] % 2, 0, maps.shape[1] % 2))
        corners = [maps[:, down::2, right::2] for right in (0, 1) for down in (0, 1)]
        joined = self.norm(torch.cat(corners, -1))
        result: torch.Tensor = self.reduce(joined.flatten(1, 2)).reshape(
            *joined.shape[:3], self.reduce.out_features
        )
        return result


class Patches(nn.Module):
    """Cuts images into patches: [N, C, H, W] -> [N, H / patch, W / patch, dim]."""

    def __init__(self, channels: int, dim: int, patch: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, dim, patch, patch)
        self.norm = nn.LayerNorm(dim)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Embed the patches; what is left over at the right and at the bottom is dropped."""
        result: torch.Tensor = self.norm(self.conv(images).permute(0, 2, 3, 1))
        return result


class SwinTransformer(nn.Module):
    """Stages of shifted-window blocks with merging between them; the mean token is classified."""

    def __init__(
        self,
        channels: int,
        outputs: int,
        *,
        patch: int,
        dim: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.patches = Patches(channels, dim, patch)
        rates = iter(torch.linspace(0, drop, sum(depths), device="cpu").tolist())
        stages = []
        for number, (depth, count) in enumerate(zip(depths, heads, strict=True)):
            width = dim * 2**number
            shifts = [0 if place % 2 == 0 else window // 2 for place in range(depth)]
            parts: list[nn.Module] = [Merging(width // 2)] if number else []
            parts += [Block(width, count, window, shift, next(rates)) for shift in shifts]
            stages.append(nn.Sequential(*parts))
        self.stages = nn.Sequential(*stages)
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        for part in self.modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.trunc_normal_(part.weight, std=0.02)
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> logits [N, outputs]."""
        maps = self.norm(self.stages(self.patches(images)))
        result: torch.Tensor = self.head(maps.mean((1, 2)))
        return result
