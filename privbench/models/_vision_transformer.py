"""The vision transformer; position and class tokens are embeddings, for per-sample gradients."""

from __future__ import annotations

import math

import torch
from torch import nn

from privbench.models._attention import Attention, mlp


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = mlp(dim, hidden)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[N, T, dim] -> [N, T, dim]."""
        tokens = tokens + self.attention(self.norm1(tokens))
        result: torch.Tensor = tokens + self.mlp(self.norm2(tokens))
        return result


class VisionTransformer(nn.Module):
    """Patches and a class token through ``depth`` blocks; the class token is classified."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        outputs: int,
        patch: int,
        *,
        dim: int,
        depth: int,
        heads: int,
        hidden: int,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        self.patches = nn.Conv2d(channels, dim, patch, patch)
        self.token = nn.Embedding(1, dim)
        self.position = nn.Embedding(1 + (height // patch) * (width // patch), dim)
        self.blocks = nn.Sequential(*(Block(dim, heads, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, outputs)
        for part in self.blocks.modules():
            if isinstance(part, nn.Linear):
                nn.init.xavier_uniform_(part.weight)
                nn.init.zeros_(part.bias)
        nn.init.trunc_normal_(self.patches.weight, std=1 / math.sqrt(channels * patch**2))
        nn.init.zeros_(self.patches.bias)  # type: ignore[arg-type]
        nn.init.zeros_(self.token.weight)
        nn.init.normal_(self.position.weight, std=0.02)
        # torchvision starts the head at zero, which would hide all other gradients at the start.
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """[N, C, H, W] -> logits [N, outputs]."""
        patches = self.patches(images).flatten(2).transpose(1, 2)
        index = torch.arange(self.position.num_embeddings, device=images.device).repeat(len(images), 1)
        tokens = torch.cat([self.token(index[:, :1]), patches], 1) + self.position(index)
        result: torch.Tensor = self.head(self.norm(self.blocks(tokens))[:, 0])
        return result
