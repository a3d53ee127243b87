"""Membership inference with the model's weights in hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._calibration import (
    Learner,
    calibrated,
    logits_by_temperature,
    relations,
    shadow_statistics,
)
from privbench.attacks._likelihood import true_log_prob
from privbench.attacks._shadows import OwnShadows
from privbench.core.protection import model_inputs
from privbench.core.registry import register
from privbench.core.task import Task
from privbench.core.view import AdversaryView
from privbench.games.membership import MembershipChallenge

_LAYERS = 4
_BATCH = 256
_LEAST = 1e-30


def gradient_statistics(
    module: torch.nn.Module, task: Task, images: torch.Tensor, labels: torch.Tensor, layers: int = _LAYERS
) -> torch.Tensor:
    """What each sample does to the network: float64 [N, F].

    The stable logit at three temperatures; then, as logarithms, the norm of the loss's gradient with
    respect to the image and, for ``layers`` of the linear and convolutional layers, evenly spaced, that
    with respect to the layer's output, and a bound on that with respect to its weights: the former times
    the norm of the layer's input (which is exact for a linear layer). The loss is taken from the stable
    logit, so that its gradient does not vanish in float32 where the model is sure.

    Args:
        module: in evaluation mode, in which samples do not mix.
        task: turns outputs into log-probabilities [N, K].
        images: [N, C, H, W], as the module is given them.
        labels: int64 [N].
        layers: how many layers, at most.
    """
    found = [m for m in module.modules() if isinstance(m, torch.nn.Linear | torch.nn.Conv2d)]
    count = min(layers, len(found))
    picked = [found[round(k * (len(found) - 1) / max(1, count - 1))] for k in range(count)]
    batches = zip(torch.split(images, _BATCH), torch.split(labels, _BATCH), strict=True)
    return torch.cat([_of_batch(module, task, batch, own, picked) for batch, own in batches])


def _of_batch(
    module: torch.nn.Module,
    task: Task,
    images: torch.Tensor,
    labels: torch.Tensor,
    layers: Sequence[torch.nn.Module],
) -> torch.Tensor:
    inputs: dict[int, torch.Tensor] = {}
    slopes: dict[int, torch.Tensor] = {}
    count = len(images)

    def watched(number: int) -> Callable[..., None]:
        def watch(_: torch.nn.Module, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            # Attention in windows runs them beside each other, an image's next to each other.
            if len(output) % count == 0:
                inputs[number] = _norms(given[0], count)

                def keep(slope: torch.Tensor) -> None:
                    slopes[number] = _norms(slope, count)

                output.register_hook(keep)  # type: ignore[no-untyped-call]

        return watch

    hooks = [layer.register_forward_hook(watched(number)) for number, layer in enumerate(layers)]
    try:
        with torch.enable_grad():
            asked = images.detach().clone().requires_grad_(True)
            answers = task.answer(module(asked))
            (slope,) = torch.autograd.grad(true_log_prob(answers, labels).sum(), asked)
    finally:
        for hook in hooks:
            hook.remove()
    norms = [_norms(slope, count)]
    for layer in sorted(slopes):
        norms += [slopes[layer], inputs[layer] * slopes[layer]]
    sizes = torch.stack(norms, -1).clamp(min=_LEAST).log()
    return torch.cat([logits_by_temperature(answers.detach(), labels), sizes], -1)


def _norms(values: torch.Tensor, count: int) -> torch.Tensor:
    norms: torch.Tensor = torch.linalg.vector_norm(values.detach().reshape(count, -1).double(), dim=1)
    return norms


def white_box_statistics(
    target: torch.Tensor, shadows: torch.Tensor, membership: torch.Tensor
) -> torch.Tensor:
    """The statistics of ``stacked``, and how each gradient compares with the shadows': [N, G]."""
    found = [shadow_statistics(target[:, :3], shadows[..., :3], membership)]
    found += [relations(target[:, k], shadows[..., k], membership) for k in range(3, target.shape[1])]
    return torch.cat(found, -1)


@register("white-box")
class WhiteBox(OwnShadows):
    """Adds to the scores how the weights would have to move for each sample: norms of gradients.

    The same statistics of the adversary's own shadows say what they mean for each sample, and learners
    that told the shadows' members by them tell the target's (as in ``stacked``).
    """

    source: ClassVar[str] = (
        "Nasr, Shokri, Houmansadr, Comprehensive Privacy Analysis of Deep Learning, IEEE S&P 2019 (passive, "
        "gradients and losses), calibrated on shadows"
    )
    needs: ClassVar[frozenset[str]] = frozenset({"weights"})

    learner: Learner = Field("both", description="logistic regression, boosted trees, or their mean")
    layers: int = Field(_LAYERS, ge=1, le=64, description="layers whose gradients are read, at most")

    def guess(self, view: AdversaryView, challenge: MembershipChallenge) -> torch.Tensor:
        """Membership scores, float64 [N]: higher for members."""
        labels = challenge.labels.to(view.device)
        images = model_inputs(view.defense, challenge.images.to(view.device), view.seed("inputs"))
        shadows = self.trained(view, challenge)
        target, *own = (
            gradient_statistics(module, view.task, images, labels, self.layers)
            for module in (view.weights(), *shadows.modules)
        )
        return calibrated(
            target,
            torch.stack(own),
            shadows.membership,
            white_box_statistics,
            self.learner,
            view.seed("learner"),
        )
