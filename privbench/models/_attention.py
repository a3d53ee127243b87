"""Attention from plain linear layers, which per-sample gradients support in every mode."""

from __future__ import annotations

import torch
from torch import nn


class Attention(nn.Module):
    """Multi-head self-attention over the last but one dimension.

    The scores are written out, not fused: fused kernels have no second derivative, which
    gradient inversion needs, and ``nn.MultiheadAttention`` has no per-sample gradients (its
    substitute in Opacus 1.6 splices the heads of different samples when ``batch_first``).
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.project = nn.Linear(dim, dim)

    def forward(self, tokens: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """[N, ..., T, dim] -> the same shape; ``bias`` broadcasts to the scores [N, ..., heads, T, T]."""
        width = tokens.shape[-1] // self.heads
        # Opacus' ghost clipping passes over linear layers whose input has four or more dimensions.
        parts = self.qkv(tokens.flatten(1, -2)).reshape(*tokens.shape[:-1], 3, self.heads, width)
        query, key, value = parts.movedim(-3, 0).transpose(-3, -2).unbind(0)
        scores = (query * width**-0.5) @ key.transpose(-2, -1)
        if bias is not None:
            scores = scores + bias
        mixed = scores.softmax(-1) @ value
        joined = mixed.transpose(-3, -2).reshape(tokens.shape)
        result: torch.Tensor = self.project(joined.flatten(1, -2)).reshape(tokens.shape)
        return result


def mlp(dim: int, hidden: int) -> nn.Sequential:
    """The two-layer perceptron of a transformer block."""
    return nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))
