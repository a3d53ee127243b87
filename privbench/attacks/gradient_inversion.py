"""Reconstruction from model updates by gradient matching."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, TypeAlias

import torch
from pydantic import Field

from privbench.attacks._first_layer import images_from_first_layer
from privbench.core.registry import register
from privbench.core.scale import by_scale
from privbench.core.view import AdversaryView
from privbench.games.reconstruction import ReconstructionAttack, ReconstructionChallenge

_BATCH = 64
_DECAYS = (0.375, 0.625, 0.875)

Update: TypeAlias = "Callable[[torch.Tensor, torch.Tensor], torch.Tensor]"
"""Images [N, C, H, W] and labels [N] to the updates [N, P] that a client with each would send."""


@register("gradient-inversion")
class GradientInversion(ReconstructionAttack):
    """Finds images whose updates point the way of those that were sent.

    The server knows the global weights and the clients' algorithm, which it runs on its dummy images:
    whatever a defense does to updates, such as clipping, is done to the dummies too. Where the first
    layer is linear in the pixels its update gives the image in closed form. Otherwise signed Adam lowers
    1 - cosine plus total variation. Labels are read off the update of the last bias.
    """

    source: ClassVar[str] = (
        "Geiping, Bauermeister, Dröge, Moeller, Inverting gradients, NeurIPS 2020, eq. (4); closed form: "
        "Phong et al., IEEE TIFS 2018; labels: Zhao, Mopuri, Bilen, iDLG, 2020"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"updates", "weights"})
    knowledge = frozenset()
    tasks: ClassVar[frozenset[str] | None] = frozenset({"classes"})

    steps: int | None = Field(None, ge=1, le=100_000, description="of optimisation; by scale 60, 300 or 4000")
    lr: float = Field(0.1, gt=0, description="learning rate of signed Adam, lowered tenfold three times")
    total_variation: float = Field(1e-3, ge=0, description="weight of the mean absolute pixel difference")

    def guess(self, view: AdversaryView, challenge: ReconstructionChallenge) -> torch.Tensor:
        """Images, float32 [N, C, H, W] in [0, 1]."""
        module = view.weights()
        sent = challenge.releases["updates"].to(view.device)
        closed = images_from_first_layer(module, sent, challenge.image_shape)
        if closed is not None:
            return closed
        labels = labels_from_updates(module, sent)
        update = client_updates(view, module)
        found, curves = [], []
        for start in range(0, len(sent), _BATCH):
            part = slice(start, start + _BATCH)
            images, curve = self._match(view, update, sent[part], labels[part], start, challenge.image_shape)
            found.append(images)
            curves.append(curve)
            view.progress(min(start + _BATCH, len(sent)), len(sent), "gradient inversion")
        view.log["loss"] = torch.stack(curves).mean(0).tolist()
        return torch.cat(found)

    def _match(
        self,
        view: AdversaryView,
        update: Update,
        sent: torch.Tensor,
        labels: torch.Tensor,
        start: int,
        shape: tuple[int, int, int],
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Dummy images for updates ``sent`` [N, P], and the mean loss at each step."""
        steps = self.steps or by_scale(view.scale, 60, 300, 4000)
        generator = torch.Generator().manual_seed(view.seed("start", start))
        images = torch.rand(len(sent), *shape, generator=generator).to(view.device).requires_grad_()
        optimizer = torch.optim.Adam([images], lr=self.lr)
        schedule = torch.optim.lr_scheduler.MultiStepLR(
            optimizer, [int(steps * part) for part in _DECAYS], 0.1
        )
        target = torch.nn.functional.normalize(sent, dim=1)
        curve = []
        for _ in range(steps):
            optimizer.zero_grad()
            cosine = (torch.nn.functional.normalize(update(images, labels), dim=1) * target).sum(1)
            loss = (1 - cosine).sum() + self.total_variation * _variation(images).sum()
            loss.backward()  # type: ignore[no-untyped-call]
            assert images.grad is not None
            images.grad.sign_()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                images.clamp_(0, 1)
            curve.append(loss.detach() / len(sent))
        return images.detach(), torch.stack(curve).cpu()


def client_updates(view: AdversaryView, module: torch.nn.Module) -> Update:
    """What the attacked clients would send for given images: their own algorithm, or plain gradients."""
    from privbench.training.client_updates import gradients

    send = getattr(view.defense, "client_update", None)
    if send is None:
        return lambda images, labels: -gradients(module, view.task, images, labels)
    return lambda images, labels: send(
        module, view.task, images, labels, [view.seed("client", n) for n in range(len(images))]
    )


def labels_from_updates(module: torch.nn.Module, sent: torch.Tensor) -> torch.Tensor:
    """The label behind each update [N, P], int64 [N]: the class whose last bias (or weights) rises most.

    The gradient of the last bias is p - y, of which only the true class's entry is negative.
    """
    name, width = list(module.named_parameters())[-1]
    tail = sent[:, -width.numel() :]
    return (tail if name.endswith("bias") else tail.view(len(sent), *width.shape).sum(-1)).argmax(1)


def _variation(images: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbouring pixels, for each image."""
    return images.diff(dim=3).abs().mean(dim=(1, 2, 3)) + images.diff(dim=2).abs().mean(dim=(1, 2, 3))
