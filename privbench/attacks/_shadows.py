"""What shadow-model attacks share: augmented queries, and the shadows' answers to them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from pydantic import Field

from privbench.core.images import LabelledImages
from privbench.core.port import Shadows
from privbench.core.scale import by_scale
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipAttack, MembershipChallenge

Statistic: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
Change: TypeAlias = "Callable[[torch.Tensor, int], torch.Tensor]"

_REACH = 2
_SHIFTS = sorted(
    ((down, right) for down in range(-_REACH, _REACH + 1) for right in range(-_REACH, _REACH + 1)),
    key=lambda shift: (shift[0] ** 2 + shift[1] ** 2, shift),
)


def augmented(images: torch.Tensor, query: int, flip: bool = False) -> torch.Tensor:
    """The images of the numbered query: first as they are, then shifted by up to two pixels.

    Shifts come nearest first and fill with zeros. With ``flip`` each is followed by its mirror
    image. When all are used up they start over (a random defense answers anew).
    """
    number, mirrored = divmod(query, 2) if flip else (query, 0)
    down, right = _SHIFTS[number % len(_SHIFTS)]
    if mirrored:
        images = images.flip(-1)
    if down == right == 0:
        return images
    height, width = images.shape[-2:]
    padded = torch.nn.functional.pad(images, (_REACH,) * 4)
    return padded[..., _REACH - down :, _REACH - right :][..., :height, :width].contiguous()


def as_they_are(images: torch.Tensor, query: int) -> torch.Tensor:  # noqa: ARG001
    """The same images in every query: averages over the randomness of a random defense."""
    return images


def ask_target(
    view: AdversaryView,
    data: LabelledImages,
    queries: int,
    statistic: Statistic,
    change: Change = as_they_are,
) -> torch.Tensor:
    """The statistic [Q, N, ...] of the deployed model's answers to Q queries of each image."""
    answers = []
    for query in range(queries):
        log_probs = view.scores(change(data.images, query))
        answers.append(statistic(log_probs, data.labels.to(log_probs.device)))
    return torch.stack(answers)


def without_repeats(answers: torch.Tensor) -> torch.Tensor:
    """The answers [Q, ...] to the same images, or the first alone [1, ...] where the second is the same.

    A service that repeats itself has no randomness to average over, and its shadows need no more queries.
    """
    return answers[:1] if len(answers) > 1 and torch.equal(answers[0], answers[1]) else answers


def ask_shadows(
    shadows: Shadows, data: LabelledImages, queries: int, statistic: Statistic, change: Change = as_they_are
) -> torch.Tensor:
    """The statistic [Q, K, N, ...] of the K shadows' answers to Q queries of each image."""
    answers = []
    for query in range(queries):
        log_probs = shadows.log_probs(change(data.images, query), draw=query)
        answers.append(statistic(log_probs, data.labels.to(log_probs.device)))
    return torch.stack(answers)


class OwnShadows(MembershipAttack):
    """A membership attack that has shadow models, which train on random halves of the candidates.

    All attacks that ask for the same number get the same models.
    """

    shadows: int | None = Field(None, ge=2, le=4096, description="shadow models; by scale 4, 16 or 64")

    def trained(self, view: AdversaryView, challenge: MembershipChallenge) -> Shadows:
        """The shadow models, trained unless another attack has asked for them."""
        count = self.shadows if self.shadows is not None else by_scale(view.scale, 4, 16, 64)
        return view.shadows(LabelledImages(challenge.images, challenge.labels), count)


class ShadowAttack(OwnShadows):
    """A membership attack that compares the target's answers with those of shadow models.

    Shifted queries help against models that trained with shifts, as those of scale paper do; against
    others they cost some AUC (0.80 to 0.78 on MNIST), while the same image again still averages over a
    random defense.
    """

    queries: int = Field(2, ge=1, le=256, description="queries of each image, the first as it is")
    augment: bool | None = Field(
        None, description="later queries are small shifts, else the image again; by scale: paper only"
    )
    flip: bool = Field(False, description="with augment: mirrored images are queried too")

    def observe(
        self, view: AdversaryView, challenge: MembershipChallenge, statistic: Statistic
    ) -> tuple[torch.Tensor, torch.Tensor, Shadows]:
        """Query the target, train the shadows and query them.

        Returns:
            the statistic of the target [Q, N, ...] and of the shadows [Q, K, N, ...], and the shadows. Q is
            1 where the service repeats itself.
        """
        data = LabelledImages(challenge.images.to(view.device), challenge.labels.to(view.device))
        change = self.change(view)
        target = ask_target(view, data, self.queries, statistic, change)
        if change is as_they_are:
            target = without_repeats(target)
        shadows = self.trained(view, challenge)
        return target, ask_shadows(shadows, data, len(target), statistic, change), shadows

    def change(self, view: AdversaryView) -> Change:
        """What is sent in place of images in each query."""
        shifts = self.augment if self.augment is not None else by_scale(view.scale, False, False, True)
        return partial(augmented, flip=self.flip) if shifts else as_they_are
