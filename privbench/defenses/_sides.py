"""Which sides of images a shuffle's parameters fit, and what to do where they do not."""

from __future__ import annotations

from collections.abc import Callable

from privbench.core.errors import UserError
from privbench.data.checks import MIN_SIDE
from privbench.defenses._adaptive import default_region, ladder
from privbench.defenses._shuffle import common_divisors

_GOOD_LADDER = 3


def crops(height: int, width: int, works: Callable[[int], bool], most: int = 3) -> str:
    """Advice to crop images: the largest sides, up to ``most``, of squares for which ``works`` holds."""
    fitting = [side for side in range(min(height, width), MIN_SIDE - 1, -1) if works(side)][:most]
    if not fitting:
        return "No crop of them does: use larger images"
    listed = f" ({', '.join(map(str, fitting))} work)" if most > 1 else ""
    return f"Crop them, as in --dataset NAME[crop={fitting[0]}]{listed}"


def check_divides(name: str, side: int, height: int, width: int) -> None:
    """Refuse a parameter ``name`` whose value ``side`` does not divide both sides of the images.

    Raises:
        UserError: it does not; the message names values, and a crop, that fit.
    """
    if height % side == 0 and width % side == 0:
        return
    valid = [str(d) for d in common_divisors(height, width)]
    if name == "window":
        valid.append("entire")
    choices = " or ".join([", ".join(valid[:-1]), valid[-1]] if len(valid) > 1 else valid)
    chosen = f"Choose {name}={choices}." if valid else "No size does: choose window=entire."
    cut = f" {crops(height, width, lambda s: s % side == 0, most=1)}." if side <= min(height, width) else ""
    raise UserError(f"vim: {name}={side} does not divide images of {height}x{width} px. {chosen}{cut}")


def adaptive_region(region: int | None, height: int, width: int) -> int:
    """The side of the regions of ``window=adaptive``: ``region``, or the default for images of this size.

    Raises:
        UserError: it does not divide the images, or leaves one window size, so that nothing adapts.
    """
    if region is None:
        if (found := default_region(height, width)) is not None:
            return found
        cut = crops(height, width, lambda side: len(ladder(default_region(side, side) or 2)) >= _GOOD_LADDER)
        raise UserError(
            f"vim: images of {height}x{width} px have no regions with several window sizes, so that "
            f"window=adaptive has nothing to choose. {cut}, or choose window=entire."
        )
    check_divides("region", region, height, width)
    if len(ladder(region)) < 2:
        raise UserError(
            f"vim: regions of {region} px have one window size, so that vfe_target does nothing. "
            f"Write window={region}, or choose another region."
        )
    return region
