"""Reconstruction by the means of windows."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field, PositiveInt

from privbench.attacks._analytic import best_window, window_means
from privbench.core.errors import UserError
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games.reconstruction import ReconstructionAttack, ReconstructionChallenge


@register("window-mean")
class WindowMean(ReconstructionAttack):
    """Replaces each window by its mean, which a shuffle inside the window leaves in the clear.

    It needs no key, no query and no training. The window is given or chosen by protecting
    auxiliary images with keys of the adversary's own.
    """

    source: ClassVar[str] = "privbench's analytic attack on shuffles: the window's multiset is invariant"

    window: PositiveInt | Literal["entire"] | None = Field(
        None, description="side in pixels, or entire; by default chosen on auxiliary images"
    )

    def guess(self, view: AdversaryView, challenge: ReconstructionChallenge) -> torch.Tensor:
        """The window means of the released images, float32 [N, C, H, W].

        Raises:
            UserError: the window does not divide the images.
        """
        released = challenge.released.to(view.device)
        height, width = released.shape[-2:]
        if self.window is None:
            size = best_window(view)
        elif self.window == "entire":
            size = (height, width)
        else:
            size = (self.window, self.window)
        if height % size[0] or width % size[1]:
            raise UserError(
                f"window-mean[window={self.window}] does not divide images of {height}x{width} pixels. "
                "Give a divisor of both sides, or entire."
            )
        view.log["window"] = [float(side) for side in size]
        return window_means(released, size)
