"""Reconstruction from features by a decoder that was trained on auxiliary images."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field

from privbench.attacks._held_out import held_out
from privbench.core.registry import register
from privbench.core.scale import by_scale
from privbench.core.view import AdversaryView
from privbench.games.reconstruction import ReconstructionAttack, ReconstructionChallenge

_HELD_OUT = 10
_ENOUGH = 1500
_MOST_COPIES = 7


@register("decoder")
class Decoder(ReconstructionAttack):
    """Asks the encoder for the features of auxiliary images and learns to draw these from them.

    A deconvolutional network, trained with L1 + (1 - SSIM), and regressions in closed form. A tenth of
    the auxiliary images (other people, where they are known) chooses among the regressions, ends the
    training, and with ``aim=mse`` fits the blend of network, regression and mean image. Where auxiliary
    images are few, shifted copies of them are queried and learned too.
    """

    source: ClassVar[str] = (
        "Dosovitskiy and Brox, Inverting visual representations with convolutional networks, CVPR 2016; Xiao "
        "et al., AAAI 2020 (black-box adversary with auxiliary data)"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"features"})

    aim: Literal["mse", "ssim"] = Field("mse", description="the figure that the guess is made for")
    steps: int | None = Field(
        None, ge=1, le=1_000_000, description="gradient steps, at most; by scale 200, 1500 or 20000"
    )
    width: int = Field(64, ge=8, le=1024, description="channels of the smallest map")
    flip: bool = Field(False, description="copies are mirrored at random too, as faces may be")

    def guess(self, view: AdversaryView, challenge: ReconstructionChallenge) -> torch.Tensor:
        """Decoded images, float32 [N, C, H, W] in [0, 1].

        Raises:
            TrainingDiverged: a drawn image became NaN or infinite.
            UserError: fewer than ten auxiliary images.
        """
        from privbench.training.blending import fit_blend
        from privbench.training.decoding import train_decoder
        from privbench.training.regression import best_regression
        from privbench.training.restoration import restoration_loss

        known = view.auxiliary.images.to(view.device)
        held, train = (known[part] for part in held_out(view, "decoder", _HELD_OUT))
        learned = self._with_copies(view, train)
        pairs, validation = (view.features(learned), learned), (view.features(held), held)
        regression = best_regression(pairs, validation)
        decoder = train_decoder(
            pairs,
            validation,
            steps=self.steps or by_scale(view.scale, 200, 1500, 20_000),
            seed=view.seed("decoder"),
            width=self.width,
            on_epoch=lambda done, total: view.progress(done, total, "decoder"),
        )
        prior = train.double().mean(0).float()

        def terms(features: torch.Tensor) -> list[torch.Tensor]:
            drawn, predicted = decoder.decode(features), regression.predict(features)
            return [drawn, predicted, prior.expand_as(drawn)]

        tried, made = terms(validation[0]), terms(challenge.released.to(view.device))
        quality = [float(restoration_loss(term, held)) for term in tried]
        weights = fit_blend(tried, held)
        # What the training is ended by: the curve to look at for having converged.
        view.log["loss"] = [min(decoder.validation[: n + 1]) for n in range(len(decoder.validation))]
        view.log["training"] = list(decoder.losses)
        view.log["validation"] = quality
        view.log["blend"] = list(weights)
        if self.aim == "ssim":
            return made[quality.index(min(quality))]
        blended: torch.Tensor = sum(weight * term for weight, term in zip(weights, made, strict=True))  # type: ignore[assignment]
        return blended.clamp(0, 1)

    def _with_copies(self, view: AdversaryView, images: torch.Tensor) -> torch.Tensor:
        """The images, then copies of them, each with a random shift of its own."""
        from privbench.training.augment import Augmentation

        copies = min(_MOST_COPIES, _ENOUGH // len(images))
        if not copies:
            return images
        generator = torch.Generator().manual_seed(view.seed("copies"))
        chosen = Augmentation.draw(copies * len(images), self.flip, generator).to(images.device)
        return torch.cat([images, chosen.apply(images.repeat(copies, 1, 1, 1))])
