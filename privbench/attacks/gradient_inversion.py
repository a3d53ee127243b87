"""Reconstruction from model updates by gradient matching."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

import torch
from pydantic import Field

from privbench.attacks._first_layer import images_from_first_layer
from privbench.attacks._last_layer import labels_from_last_layer
from privbench.core.keys import Keys
from privbench.core.registry import register
from privbench.core.scale import by_scale
from privbench.core.view import AdversaryView
from privbench.games.reconstruction import ReconstructionAttack, ReconstructionChallenge

if TYPE_CHECKING:
    from privbench.attacks._gradient_matching import Matching

_LEAST_PLAIN, _MOST_PLAIN = 0.25, 0.7
_CLOSE = 0.99


@register("gradient-inversion")
class GradientInversion(ReconstructionAttack):
    """Finds images whose updates point the way of those that were sent.

    The server knows the global weights and the clients' algorithm, which it runs on its dummy images:
    whatever a defense does to updates, such as clipping, is done to the dummies too. Where the first
    layer is linear in the pixels its update gives the image in closed form. Otherwise Adam lowers
    1 - cosine plus total variation, at first with plain gradients, which are cheap, then with the
    clients' own updates: the later, the closer the two turn out to be. Labels are read off the update of
    the last layer.
    """

    source: ClassVar[str] = (
        "Geiping, Bauermeister, Dröge, Moeller, Inverting gradients, NeurIPS 2020, eq. (4); closed form: "
        "Phong et al., IEEE TIFS 2018; labels: Zhao, Mopuri, Bilen, iDLG, 2020"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"updates", "weights"})
    knowledge = frozenset()
    tasks: ClassVar[frozenset[str] | None] = frozenset({"classes"})

    steps: int | None = Field(None, ge=1, le=100_000, description="of Adam; by scale 60, 300 or 4000")
    lr: float = Field(0.1, gt=0, description="of Adam at the first step; it falls to zero by a cosine")
    total_variation: float = Field(0.03, ge=0, description="weight of the mean absolute pixel difference")
    plain: float | None = Field(
        None,
        ge=0,
        le=1,
        description="share of the steps, from the first, that match plain gradients; by default a quarter, "
        "or 0.7 where these turn out to be what clients send",
    )

    def guess(self, view: AdversaryView, challenge: ReconstructionChallenge) -> torch.Tensor:
        """Images, float32 [N, C, H, W] in [0, 1].

        Raises:
            PrivbenchError: the clients' updates cannot be differentiated, or labels not be read off.
        """
        # Makes a class of torch's, which the catalogue must not import to be listed.
        from privbench.attacks._gradient_matching import Matching
        from privbench.training.client_updates import clients_at_once
        from privbench.training.environment import one_thread

        module = view.weights()
        sent = challenge.releases["updates"].to(view.device)
        closed = images_from_first_layer(module, sent, challenge.image_shape)
        if closed is not None:
            return closed
        labels = labels_from_last_layer(module, sent)
        keys = Keys.fresh(view.seed("start"), len(sent), view.device)
        steps = self.steps or by_scale(view.scale, 60, 300, 4000)
        size = clients_at_once(module)
        found, curve = [], torch.zeros(steps)
        with one_thread(view.device):
            for first in range(0, len(sent), size):
                part = slice(first, first + size)
                start = keys[part].uniform(*challenge.image_shape)
                matching = Matching(
                    sent[part], labels[part], start, steps=steps, lr=self.lr, weight=self.total_variation
                )
                self._run(view, module, matching, first, steps)
                found.append(matching.best)
                curve += len(start) / len(sent) * torch.stack(matching.curve).cpu()
                view.progress(min(first + size, len(sent)), len(sent), "gradient inversion")
        view.log["loss"] = curve.tolist()
        return torch.cat(found)

    def _run(
        self, view: AdversaryView, module: torch.nn.Module, matching: Matching, first: int, steps: int
    ) -> None:
        """Match the updates of clients numbered from ``first`` on."""
        from privbench.training.client_updates import local_changes

        plain = partial(local_changes, module, view.task, steps=1, lr=1.0)
        send = getattr(view.defense, "client_update", None)
        if send is None:
            matching.run(plain, steps)
            return

        def own(images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            seeds = [view.seed("client", first + number) for number in range(len(images))]
            made: torch.Tensor = send(module, view.task, images, labels, seeds)
            return made

        least, most = (_LEAST_PLAIN, _MOST_PLAIN) if self.plain is None else (self.plain, self.plain)
        cheap = int(least * steps)
        matching.run(plain, cheap)
        # Noise at the start, which a model is wrong about, has other updates than digits have.
        if least < most and matching.agreement(plain, own) > _CLOSE:
            matching.run(plain, int(most * steps) - cheap)
            cheap = int(most * steps)
        if cheap < steps:
            matching.run(own, steps - cheap)
