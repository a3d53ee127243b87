"""VIM (VisualMixer): shuffled pixels, on which the model is trained and queried."""

from __future__ import annotations

from typing import Literal, Self

import torch
from pydantic import Field, field_validator, model_validator

from privbench.core.defense import ImageDefense
from privbench.core.keys import Keys
from privbench.core.registry import register
from privbench.defenses._adaptive import shuffle_adaptively
from privbench.defenses._released import shuffle_offline, shuffle_online
from privbench.defenses._shuffle import in_chunks, shuffle_blocks
from privbench.defenses._sides import adaptive_region, check_divides

# The variants that look at the images hold several float64 copies of a chunk.
_CHUNK = 1 << 17
_ONLINE_REDRAWS = 10

Window = int | Literal["entire", "adaptive"]


@register("vim")
class Vim(ImageDefense):
    """Shuffles pixels within windows, each channel on its own, and trains on the shuffled images.

    The values of each window, and so its mean, are released exactly. ``window=adaptive`` grows the
    windows of the plainest regions until the image reaches ``vfe_target``; the rule is reconstructed
    from the slides. ``variant`` online and offline follow the released implementation at the native
    size of the images. What cannot be reproduced of it: the attention block, which trains jointly
    with the classifier there and stays at its initialisation here, and the reweighted images, which
    feed the classifier there and are neither released nor used here.
    """

    source = (
        "Li, Zhang, Ren, Li, Zhang, You Can Use But Cannot Recognize: Preserving Visual Privacy in Deep "
        "Neural Networks, NDSS 2024; variants online and offline after its presumed code release"
    )

    window: Window = Field(
        4, description="side of the windows in pixels, a divisor of both sides; or entire, or adaptive"
    )
    key: Literal["fresh", "fixed", "fixed-per-window"] = Field(
        "fresh",
        description="fresh: new permutations for each image, window and channel; fixed: one for each "
        "channel; fixed-per-window: one for each window and channel, the same for all images",
    )
    variant: Literal["window", "online", "offline"] = Field(
        "window", description="pixels in windows, or the released implementation's blocks in regions"
    )
    vfe_target: float = Field(0.25, gt=0, le=6, description="VFE (mode mean) to reach; for window=adaptive")
    region: int | None = Field(
        None,
        ge=2,
        description="side of the regions that grow on their own, for window=adaptive; by default the "
        "divisor of both sides up to 28 that has most divisors itself, which are the windows",
    )
    grid: int = Field(14, ge=1, le=1024, description="regions a side, at most; for online and offline")
    redraws: int | None = Field(
        None,
        ge=1,
        le=64,
        description="shuffles of each image that the model trains on in turns; by default 1, and 10 for "
        "online, which shuffles anew in each call",
    )

    @field_validator("window", mode="before")
    @classmethod
    def _read_window(cls, value: object) -> object:
        if isinstance(value, str) and value.isascii() and value.isdigit():
            value = int(value)
        if value in ("entire", "adaptive") or (type(value) is int and value >= 2):
            return value
        raise ValueError("expected a whole number of pixels from 2, entire or adaptive")

    @model_validator(mode="after")
    def _no_idle_parameters(self) -> Self:
        idle = {
            "window": self.variant != "window",
            "vfe_target": self.variant != "window" or self.window != "adaptive",
            "region": self.variant != "window" or self.window != "adaptive",
            "grid": self.variant == "window",
        }
        for name, is_idle in idle.items():
            if is_idle and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"{name} does nothing with variant={self.variant}, window={self.window}: leave it out"
                )
        if self.key != "fresh" and (self.redraws or 1) > 1:
            raise ValueError(f"redraws draws new keys, of which key={self.key} has only one: leave it out")
        return self

    @property
    def reuses_key(self) -> bool:
        """Whether all images share their permutations."""
        return self.key != "fresh"

    @property
    def versions(self) -> int:
        """``redraws``, or its default."""
        if self.redraws is not None:
            return self.redraws
        return _ONLINE_REDRAWS if self.variant == "online" and self.key == "fresh" else 1

    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """Shuffled images.

        Raises:
            UserError: ``window`` or ``region`` does not divide both sides of the images, or nothing does
                that leaves a choice; the message names values, sizes and crops that work.
        """
        shared = self.key == "fixed"
        height, width = images.shape[2:]
        if self.variant == "online":
            return in_chunks(lambda x, k: shuffle_online(x, k, self.grid, shared), images, keys, _CHUNK)
        if self.variant == "offline":
            return shuffle_offline(images, keys, self.grid, shared)
        if self.window == "entire":
            return shuffle_blocks(images, keys, (height, width), (height, width), shared)
        if self.window == "adaptive":
            region = adaptive_region(self.region, height, width)
            return in_chunks(
                lambda x, k: shuffle_adaptively(x, k, region, self.vfe_target, shared), images, keys, _CHUNK
            )
        check_divides("window", self.window, height, width)
        return shuffle_blocks(images, keys, (self.window,) * 2, (self.window,) * 2, shared)
