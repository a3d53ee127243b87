"""Reconstruction by a network that was trained to undo the defense."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from pydantic import Field

from privbench.attacks._analytic import best_window, window_means
from privbench.attacks._held_out import held_out
from privbench.core.registry import register
from privbench.core.scale import Scale, by_scale
from privbench.core.threat import Knowledge
from privbench.core.view import AdversaryView
from privbench.games.reconstruction import ReconstructionAttack, ReconstructionChallenge

if TYPE_CHECKING:
    from privbench.training.restoration import Pairs

_HELD_OUT = 10


@register("restoration")
class Restoration(ReconstructionAttack):
    """A residual U-Net learns original images from protected ones and starts at the window means.

    It trains on auxiliary images that the adversary protects itself, under new keys in every
    epoch, with the loss L1 + (1 - SSIM). A tenth of the auxiliary images, held out, says when twice the
    training gains nothing; the budget is ``epochs``, doubled ``doublings`` times. They choose the epoch,
    and the blend of network, window means and mean image that is returned (the window means alone
    where the network does not beat them), so that it is weaker than none of them.
    ``adversary=chosen-inputs`` learns from the defender's own oracle instead.
    """

    source: ClassVar[str] = (
        "privbench's adaptive attack; network after Ronneberger, Fischer, Brox, U-Net, MICCAI 2015; loss "
        "after Zhao, Gallo, Frosio, Kautz, Loss Functions for Image Restoration, IEEE TCI 2017"
    )

    adversary: Literal["public-prior", "chosen-inputs"] = Field(
        "public-prior", description="protects auxiliary images itself, or asks the defender's oracle"
    )
    aim: Literal["mse", "ssim"] = Field("mse", description="blend for the least squared error, or not")
    epochs: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="training epochs; by scale 2, 8 or 40, more where there are few images",
    )
    doublings: int | None = Field(
        None,
        ge=0,
        le=8,
        description="how often, at most, epochs are doubled while validation gains by it; by scale 0, 4 or 2",
    )
    width: int = Field(16, ge=4, le=256, description="channels of the U-Net's first level")

    @property
    def required_surfaces(self) -> frozenset[str]:
        """The released images; the oracle too for chosen inputs."""
        return self.needs | ({"protect"} if self.adversary == "chosen-inputs" else frozenset())

    @property
    def required_knowledge(self) -> frozenset[Knowledge]:
        """A public prior; chosen inputs too where it asks the oracle."""
        chosen = {Knowledge.CHOSEN_INPUTS} if self.adversary == "chosen-inputs" else frozenset()
        return self.knowledge | chosen

    def guess(self, view: AdversaryView, challenge: ReconstructionChallenge) -> torch.Tensor:
        """Restored images, float32 [N, C, H, W] in [0, 1].

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
            UserError: fewer than ten auxiliary images.
        """
        from privbench.training.restoration import train_restorer

        known = view.auxiliary.images.to(view.device)
        held, train = (known[part] for part in held_out(view, "restoration", _HELD_OUT))

        def pairs(epoch: int) -> Pairs:
            return self._protect(view, train, epoch), train

        validation = (self._protect(view, held, -1), held)
        window = best_window(view)
        epochs = self.epochs or self._default_epochs(view.scale, len(train))
        doublings = self.doublings if self.doublings is not None else by_scale(view.scale, 0, 4, 2)
        restorer = train_restorer(
            pairs,
            validation,
            estimate=lambda released: window_means(released, window),
            epochs=epochs,
            budget=epochs * 2**doublings,
            seed=view.seed("network"),
            width=self.width,
            on_epoch=lambda done, total: view.progress(done, total, "restoration"),
        )
        view.log["loss"] = list(restorer.losses)
        view.log["validation"] = list(restorer.validation)
        view.log["stopped"] = [float(restorer.stopped)]
        view.log["blend"] = list(restorer.blend)
        view.log["window"] = [float(side) for side in window]
        return restorer.restore(challenge.released.to(view.device), blended=self.aim == "mse")

    @staticmethod
    def _default_epochs(scale: Scale, count: int) -> int:
        # An epoch of few images is too few steps for a fixed number of epochs to teach anything.
        epochs, least_images = by_scale(scale, (2, 500), (8, 6400), (40, 100_000))
        return max(epochs, least_images // count)

    def _protect(self, view: AdversaryView, images: torch.Tensor, epoch: int) -> torch.Tensor:
        if self.adversary == "chosen-inputs":
            released: torch.Tensor = view.protect(images)
            return released
        return view.simulate(images, "epoch", epoch)
