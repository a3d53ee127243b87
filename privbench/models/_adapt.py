"""Fits torchvision's modules to privbench: input channels, norms, no in-place operations."""

from __future__ import annotations

from typing import Literal

from torch import nn

from privbench.core.errors import DataError
from privbench.core.model import Model

Norm = Literal["batch", "group"]


def require_side(model: Model, shape: tuple[int, int, int], least: int) -> None:
    """Check that images of ``shape`` (C, H, W) are large enough.

    Raises:
        DataError: a side is below ``least`` pixels.
    """
    side = min(shape[1:])
    if side < least:
        raise DataError(
            f"model {model.selector!r} takes images of at least {least} pixels a side, "
            f"but these have a side of {side}. Choose another model or larger images."
        )


def groups_for(channels: int) -> int:
    """The most groups, up to 32, that divide ``channels`` with four or more channels in each."""
    return next((g for g in range(min(32, channels // 4), 0, -1) if channels % g == 0), 1)


def with_input(conv: nn.Conv2d, channels: int, stride: int | None = None) -> nn.Conv2d:
    """``conv`` itself if it takes ``channels`` at ``stride``, else a new one like it (He-normal weights)."""
    strides = conv.stride if stride is None else (stride, stride)
    if conv.in_channels == channels and conv.stride == strides:
        return conv
    new = nn.Conv2d(
        channels,
        conv.out_channels,
        (conv.kernel_size[0], conv.kernel_size[1]),
        stride=(strides[0], strides[1]),
        padding=conv.padding if isinstance(conv.padding, str) else (conv.padding[0], conv.padding[1]),
        bias=conv.bias is not None,
    )
    nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    return new


def _use_group_norm(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            channels = child.num_features
            setattr(module, name, nn.GroupNorm(groups_for(channels), channels))
        else:
            _use_group_norm(child)


def finish(module: nn.Module, norm: Norm) -> nn.Module:
    """Switch every in-place activation off and, for ``norm="group"``, every BatchNorm to GroupNorm.

    Per-sample gradients need both: an in-place operation overwrites what a backward hook saved,
    and BatchNorm mixes samples.
    """
    for part in module.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment]
    if norm == "group":
        _use_group_norm(module)
    return module
