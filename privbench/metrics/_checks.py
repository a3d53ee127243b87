"""Checks that every metric shares: a figure is computed from finite values of one shape, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from privbench.core.errors import PrivbenchError
from privbench.core.game import Truth
from privbench.core.images import LabelledImages

_ELEMENTS = 2**23
_CACHED = 2**18


def finite(values: torch.Tensor, what: str) -> torch.Tensor:
    """Return ``values`` unchanged.

    Raises:
        PrivbenchError: some are NaN or infinite; ``what`` names them in the message.
    """
    if not torch.isfinite(values).all():
        raise PrivbenchError(f"{what} hold NaN or infinite values; no figure can be computed from them")
    return values


def originals(truth: Truth) -> LabelledImages:
    """The original images and labels of ``truth``.

    Raises:
        PrivbenchError: the truth has none; it belongs to another game.
    """
    if truth.originals is None:
        raise PrivbenchError("this metric needs the original images or labels, which the truth does not hold")
    return truth.originals


def image_pair(a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Two finite image batches [N, C, H, W] of one shape, unchanged.

    Raises:
        PrivbenchError: the shapes differ or are no image batches, or a value is NaN or infinite.
    """
    require_one_shape(a, b)
    return finite(a, "images"), finite(b, "images")


def require_one_shape(a: torch.Tensor, b: torch.Tensor) -> None:
    """Check that two image batches are [N, C, H, W] of one shape.

    Raises:
        PrivbenchError: they are not.
    """
    if a.shape != b.shape or a.ndim != 4:
        raise PrivbenchError(
            f"images of shapes {tuple(a.shape)} and {tuple(b.shape)} cannot be compared; "
            "expected [N, C, H, W] twice"
        )


def slices(count: int, per_sample: int) -> Iterator[slice]:
    """Slices of ``count`` samples that hold at most 2^23 values each, ``per_sample`` a sample."""
    size = max(1, _ELEMENTS // max(1, per_sample))
    return (slice(start, start + size) for start in range(0, count, size))


def in_cache(count: int, per_sample: int) -> Iterator[slice]:
    """Slices of ``count`` samples whose intermediate values stay in a processor's cache."""
    size = max(1, _CACHED // max(1, per_sample))
    return (slice(start, start + size) for start in range(0, count, size))


def compare(
    function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    truth: Truth,
    guess: torch.Tensor,
    device: torch.device,
) -> torch.Tensor:
    """``function(originals, guess)`` on ``device``, in slices that fit its memory: [N] on the CPU.

    ``function`` refuses values that are not finite.
    """
    images = originals(truth).images
    require_one_shape(images, guess)
    if not len(images):
        raise PrivbenchError("there are no images to compare")
    parts = [
        function(images[part].to(device), guess[part].to(device)).cpu()
        for part in slices(len(images), images[0].numel())
    ]
    return torch.cat(parts)
