"""Inference of hidden features by classifiers that were trained on protected images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import ClassVar

import torch
from pydantic import Field

from privbench.attacks._held_out import held_out
from privbench.attacks._linear import Answer, linear_reader
from privbench.attacks._priors import auxiliary_targets
from privbench.core import registry
from privbench.core.attack import FeatureAttack
from privbench.core.errors import TrainingDiverged
from privbench.core.games import FeatureChallenge
from privbench.core.model import Model
from privbench.core.registry import register
from privbench.core.scale import by_scale
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.core.view import AdversaryView
from privbench.tasks.classes import Classes

_HELD_OUT = 5


@register("classifier")
class Classifier(FeatureAttack):
    """The adaptive recognition adversary: trains on images that it protects itself.

    For each feature a network (under new keys in every epoch) and a logistic regression on pixels
    compete on a held-out fifth of the auxiliary images. The one with the higher MCC there learns
    again from all of them and answers.
    """

    source: ClassVar[str] = (
        "privbench's adaptive attack, after McPherson, Shokri, Shmatikov, Defeating Image Obfuscation with "
        "Deep Learning, 2016"
    )

    model: str = Field("cnn", description="registry name of the network")
    epochs: int | None = Field(None, ge=1, le=1000, description="training epochs; by scale 4, 60 or 90")
    versions: int | None = Field(
        None, ge=1, le=128, description="protected copies to train on in turns; by scale 2, 30 or 30"
    )

    def guess(self, view: AdversaryView, challenge: FeatureChallenge) -> torch.Tensor:
        """Feature values, int64 [N, T].

        Raises:
            UserError: fewer than ten auxiliary images, or none with the features.
            TrainingDiverged: a network diverged at a tenth of the learning rate too.
        """
        known = view.auxiliary.images.to(view.device)
        values = auxiliary_targets(view, challenge)
        held, train = held_out(view, "classifier", _HELD_OUT)
        copies = self.versions if self.versions is not None else by_scale(view.scale, 2, 30, 30)
        versions = torch.stack([view.simulate(known, "version", v) for v in range(copies)])
        check, released = view.simulate(known[held], "held-out"), challenge.released.to(view.device)
        everything = torch.arange(len(known), device=view.device)
        columns = range(len(challenge.targets))

        trials = {t: values[held, t] for t in columns}
        by_linear = {t: linear_reader(versions[:, train], values[train, t])(check) for t in columns}
        by_network = self._networks(view, challenge, versions, values, train, list(columns))
        wins = []
        for t, truth in trials.items():
            scores = [_mcc(truth, by_linear[t]), _mcc(truth, by_network[t](check))]
            view.log[f"validation-{challenge.targets[t]}"] = scores
            if scores[1] >= scores[0]:
                wins.append(t)
        final = self._networks(view, challenge, versions, values, everything, wins)
        answers = [final[t] if t in final else linear_reader(versions, values[:, t]) for t in columns]
        return torch.stack([answer(released) for answer in answers], 1)

    def _networks(
        self,
        view: AdversaryView,
        challenge: FeatureChallenge,
        versions: torch.Tensor,
        values: torch.Tensor,
        rows: torch.Tensor,
        columns: list[int],
    ) -> dict[int, Answer]:
        """A network for each of ``columns``, trained on the images numbered ``rows``."""
        from privbench.training.many import train_many
        from privbench.training.modules import load_module

        if not columns:
            return {}
        model = registry.create("model", self.model)
        assert isinstance(model, Model)
        epochs, least_steps = by_scale(view.scale, (4, 0), (60, 500), (90, 0))
        config = TrainingConfig(epochs=self.epochs or epochs, min_steps=0 if self.epochs else least_steps)
        config = config.for_size(len(rows))
        images = versions[:, rows]
        jobs = [
            TrainingJob(
                model=model,
                task=Classes(),
                config=config,
                images=images,
                labels=values[rows, t],
                outputs=challenge.cardinalities[t],
                seed=view.seed("network", challenge.targets[t]),
            )
            for t in columns
        ]
        finished: set[int] = set()

        def report(index: int, _: object) -> None:
            finished.add(index)
            view.progress(len(finished), len(jobs), "feature classifiers")

        try:
            networks = train_many(jobs, view.device, on_done=report)
        except TrainingDiverged:
            # An adversary would try again, gently; giving up would pass for a strong defense.
            gentle = config.model_copy(update={"lr": config.lr / 10})
            networks = train_many([replace(job, config=gentle) for job in jobs], view.device, on_done=report)
        shape = (images.shape[2], images.shape[3], images.shape[4])
        answers: dict[int, Answer] = {}
        for t, trained in zip(columns, networks, strict=True):
            view.log[f"loss-{challenge.targets[t]}"] = list(trained.losses)
            module = load_module(model, shape, challenge.cardinalities[t], trained.weights, view.device)
            answers[t] = partial(_likeliest, module)
        return answers


def _likeliest(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    from privbench.training.predict import answers

    return answers(network, images, Classes()).argmax(-1).cpu()


def _mcc(truth: torch.Tensor, guess: torch.Tensor) -> float:
    from sklearn.metrics import matthews_corrcoef

    if (truth == truth[0]).all():
        return 0.0
    return float(matthews_corrcoef(truth.cpu(), guess))
