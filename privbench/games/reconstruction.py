"""Reconstruction: what did the originals look like?"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch

from privbench.core.attack import Attack
from privbench.core.deployment import Case
from privbench.core.game import Challenge, Game, Truth, checked, clusters_of
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games._priors import most_similar_image


@dataclass(frozen=True)
class ReconstructionChallenge(Challenge):
    """What did the originals look like? The guess is float [N, C, H, W] in [0, 1].

    Attributes:
        count: N.
        image_shape: (C, H, W) of the originals.
    """

    count: int
    image_shape: tuple[int, int, int]

    def __len__(self) -> int:
        return self.count


@register("reconstruction")
class Reconstruction(Game):
    """Releases of private images are shown, of which the originals are to be recovered."""

    source = "Mahendran and Vedaldi, Understanding deep image representations by inverting them, CVPR 2015"
    subject = "reconstruction"
    played_on = frozenset({"images", "features", "updates", "ciphertexts"})
    beside = frozenset({"protect", "scores", "labels", "weights"})
    floors = ("blind", "blind[aim=ssim]")

    def challenge(self, case: Case, surfaces: frozenset[str]) -> ReconstructionChallenge:
        """A random part of the private images, by their releases."""
        releases = case.released(surfaces, case.shown)
        return ReconstructionChallenge(len(case.shown), case.deployment.shape, releases=releases)

    def truth(self, case: Case) -> Truth:
        """The originals."""
        shown = case.parts.private[case.shown].to("cpu")
        return Truth(originals=shown, clusters=clusters_of(shown))

    def check(self, challenge: ReconstructionChallenge, guess: object) -> torch.Tensor:
        """Float32 [N, C, H, W], clipped to [0, 1]."""
        return checked(guess, (len(challenge), *challenge.image_shape)).float().clamp(0, 1)

    def floor(self, view: AdversaryView, challenge: ReconstructionChallenge, aim: str) -> torch.Tensor:
        """The mean auxiliary image, or for ``aim="ssim"`` the constant image most similar to them.

        The mean image for both where images are smaller than SSIM's window, which has no figure then.
        """
        from privbench.metrics.ssim import WINDOW

        mean = view.auxiliary.images.double().mean(0).float()
        best = most_similar_image(view) if aim == "ssim" and min(mean.shape[1:]) >= WINDOW else mean
        return best.expand(len(challenge), *challenge.image_shape).clone()


class ReconstructionAttack(Attack):
    """Recovers the original images from what was released."""

    games = frozenset({"reconstruction"})
    needs = frozenset({"images"})

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: ReconstructionChallenge) -> torch.Tensor:
        """Reconstructed images, float [N, C, H, W] in [0, 1]."""
