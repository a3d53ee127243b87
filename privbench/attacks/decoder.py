"""Reconstruction from features by a decoder that was trained on auxiliary images."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._held_out import held_out
from privbench.core.registry import register
from privbench.core.scale import by_scale
from privbench.core.view import AdversaryView
from privbench.games.reconstruction import ReconstructionAttack, ReconstructionChallenge

_HELD_OUT = 10


@register("decoder")
class Decoder(ReconstructionAttack):
    """Asks the encoder for the features of auxiliary images and learns to draw them from these.

    A deconvolutional network, trained with L1 + (1 - SSIM). A tenth of the auxiliary images (other
    people, where they are known) chooses the epoch.
    """

    source: ClassVar[str] = (
        "Dosovitskiy and Brox, Inverting visual representations with convolutional networks, CVPR 2016; Xiao "
        "et al., AAAI 2020 (black-box adversary with auxiliary data)"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    epochs: int | None = Field(
        None,
        ge=1,
        le=2000,
        description="training epochs; by scale 20, 60 or 100, more where images are few",
    )
    width: int = Field(64, ge=8, le=1024, description="channels of the smallest map")

    def guess(self, view: AdversaryView, challenge: ReconstructionChallenge) -> torch.Tensor:
        """Decoded images, float32 [N, C, H, W] in [0, 1].

        Raises:
            TrainingDiverged: the loss became NaN or infinite.
            UserError: fewer than ten auxiliary images.
        """
        from privbench.training.decoding import train_decoder

        images = view.auxiliary.images.to(view.device)
        features = view.features(images)
        held, train = held_out(view, "decoder", _HELD_OUT)
        epochs, least_images = by_scale(view.scale, (20, 4000), (60, 60_000), (100, 400_000))
        decoder = train_decoder(
            (features[train], images[train]),
            (features[held], images[held]),
            epochs=self.epochs or max(epochs, least_images // len(train)),
            seed=view.seed("decoder"),
            width=self.width,
            on_epoch=lambda done, total: view.progress(done, total, "decoder"),
        )
        view.log["loss"] = list(decoder.losses)
        view.log["validation"] = list(decoder.validation)
        return decoder.decode(challenge.released.to(view.device))
