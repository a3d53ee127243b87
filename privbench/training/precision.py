"""Number formats and memory layout by device: mixed precision and channels-last on CUDA."""

from __future__ import annotations

import torch


def memory_format(device: torch.device) -> torch.memory_format:
    """Channels-last on CUDA, where convolutions run faster so."""
    return torch.channels_last if device.type == "cuda" else torch.contiguous_format


def half_precision(device: torch.device, dtype: torch.dtype) -> torch.dtype | None:
    """The type for mixed precision: bfloat16 or float16 on CUDA for float32 images, else None."""
    if device.type != "cuda" or dtype != torch.float32:
        return None
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """The context in which a forward pass on ``device`` runs in mixed precision, if it can."""
    half = half_precision(device, dtype)
    # Weights are used once a pass, so that a cache of their casts has no use.
    return torch.autocast(
        device.type, dtype=half or torch.bfloat16, enabled=half is not None, cache_enabled=False
    )
