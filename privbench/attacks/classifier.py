"""Inference of hidden attributes by classifiers that were trained on protected images."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._attribute_networks import attribute_networks
from privbench.attacks._held_out import held_out
from privbench.attacks._kernel import best_look, kernel_reader
from privbench.attacks._linear import Answer, linear_reader
from privbench.core import registry
from privbench.core.curves import still_falling
from privbench.core.method import Method
from privbench.core.registry import register
from privbench.core.scale import by_scale
from privbench.core.view import AdversaryView
from privbench.games._priors import auxiliary_targets
from privbench.games.attribute import AttributeAttack, AttributeChallenge

_HELD_OUT = 5
_WORTH = 0.5
"""How much Matthews' coefficient must rise for training to go on, in standard errors of 1/sqrt(N)."""

Fit = Callable[[torch.Tensor, torch.Tensor], Answer]


@register("classifier")
class Classifier(AttributeAttack):
    """The adaptive recognition adversary: trains on images that it protects itself.

    For each attribute a network (under new keys in every epoch), a logistic regression on pixels and a
    support vector machine on the sorted values of windows compete on a held-out fifth of the auxiliary
    images. A network that wins while its loss still falls is trained for twice as long, and again, as long
    as it does better there. The one with the highest MCC learns again from all of them and answers.
    """

    source: ClassVar[str] = (
        "privbench's adaptive attack, after McPherson, Shokri, Shmatikov, Defeating Image Obfuscation with "
        "Deep Learning, 2016"
    )

    model: str = Field("cnn", description="registry name of the network")
    epochs: int | None = Field(None, ge=1, le=1000, description="training epochs; by scale 4, 60 or 90")
    doublings: int | None = Field(
        None,
        ge=0,
        le=8,
        description="how often, at most, epochs are doubled while that helps; by scale 0, 2 or 2",
    )
    versions: int | None = Field(
        None, ge=1, le=128, description="protected copies to train on in turns; by scale 2, 30 or 30"
    )

    def guess(self, view: AdversaryView, challenge: AttributeChallenge) -> torch.Tensor:
        """Attribute values, int64 [N, T].

        Raises:
            UserError: fewer than ten auxiliary images, or none with the attributes.
            TrainingDiverged: a network diverged at a tenth of the learning rate too.
        """
        known = view.auxiliary.images.to(view.device)
        values = auxiliary_targets(view, challenge.targets)
        held, train = held_out(view, "classifier", _HELD_OUT)
        copies = self.versions if self.versions is not None else by_scale(view.scale, 2, 30, 30)
        versions = torch.stack([view.simulate(known, "version", v) for v in range(copies)])
        check, released = view.simulate(known[held], "held-out"), challenge.released.to(view.device)
        everything = torch.arange(len(known), device=view.device)

        def networks_of(rows: torch.Tensor, lengths: dict[int, int]) -> dict[int, Answer]:
            chosen = {t: (values[rows, t], times) for t, times in lengths.items()}
            return attribute_networks(view, challenge, versions[:, rows], chosen, self.uses, self.epochs)

        networks = networks_of(train, dict.fromkeys(range(len(challenge.targets)), 1))
        rivals: dict[int, Fit] = {}
        lengths: dict[int, int] = {}
        for t, name in enumerate(challenge.targets):
            truth = values[held, t]
            look = best_look(versions[0, train], values[train, t], check, truth, _mcc)
            fits: list[Fit] = [linear_reader, partial(kernel_reader, look=look)]
            scores = [_mcc(truth, fit(versions[:, train], values[train, t])(check)) for fit in fits]
            scores.append(_mcc(truth, networks[t](check)))
            view.log[f"validation-{name}"], view.log[f"stopped-{name}"] = scores, [1.0]
            if scores[-1] >= max(scores):
                lengths[t] = 1
            else:
                rivals[t] = fits[scores.index(max(scores))]

        def longer(more: dict[int, int]) -> dict[int, float]:
            made = networks_of(train, more)
            return {t: _mcc(values[held, t], made[t](check)) for t in more}

        lengths = self._prolonged(view, challenge, lengths, longer, _WORTH / math.sqrt(len(held)))
        final = networks_of(everything, lengths)
        answers = [
            final[t] if t in final else rivals[t](versions, values[:, t])
            for t in range(len(challenge.targets))
        ]
        return torch.stack([answer(released) for answer in answers], 1)

    def _prolonged(
        self,
        view: AdversaryView,
        challenge: AttributeChallenge,
        lengths: dict[int, int],
        longer: Callable[[dict[int, int]], dict[int, float]],
        least: float,
    ) -> dict[int, int]:
        """How many times ``epochs`` each network is to be trained, and in the log whether that is enough."""
        found = dict(lengths)
        most = self.doublings if self.doublings is not None else by_scale(view.scale, 0, 2, 2)
        for doubling in range(most + 1):
            names = {t: challenge.targets[t] for t in lengths if found[t] == 2**doubling}
            falling = [t for t, name in names.items() if still_falling(view.log[f"loss-{name}"])]
            if doubling == most:
                view.log.update({f"stopped-{names[t]}": [0.0] for t in falling})
                break
            for t, score in longer(dict.fromkeys(falling, 2 ** (doubling + 1))).items():
                scores = view.log[f"validation-{names[t]}"]
                if score > scores[-1] + least:
                    found[t] = 2 ** (doubling + 1)
                    scores.append(score)
        return found

    @property
    def uses(self) -> tuple[Method, ...]:
        """The network and what it is taught."""
        return registry.create("model", self.model), registry.create("task", "classes")


def _mcc(truth: torch.Tensor, guess: torch.Tensor) -> float:
    from sklearn.metrics import matthews_corrcoef

    if (truth == truth[0]).all():
        return 0.0
    return float(matthews_corrcoef(truth.cpu(), guess))
