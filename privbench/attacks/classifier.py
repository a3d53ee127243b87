"""Inference of hidden features by classifiers that were trained on protected images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import torch
from pydantic import Field

from privbench.attacks._held_out import held_out
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

_HELD_OUT = 5
_POOLED_SIDE = 32


@register("classifier")
class Classifier(FeatureAttack):
    """The adaptive recognition adversary: trains on images that it protects itself.

    For each feature a network (under new keys in every epoch) and a logistic regression on pixels
    compete on a held-out fifth of the auxiliary images; the better one answers.
    """

    source: ClassVar[str] = (
        "privbench's adaptive attack, after McPherson, Shokri, Shmatikov, Defeating Image Obfuscation with "
        "Deep Learning, 2016"
    )

    model: str = Field("cnn", description="registry name of the network")
    epochs: int | None = Field(None, ge=1, le=1000, description="training epochs; by scale 4, 30 or 90")
    versions: int | None = Field(
        None, ge=1, le=128, description="protected copies to train on in turns; by scale 2, 10 or 30"
    )

    def guess(self, view: AdversaryView, challenge: FeatureChallenge) -> torch.Tensor:
        """Feature values, int64 [N, T].

        Raises:
            UserError: fewer than ten auxiliary images, or none with the features.
        """
        from privbench.training.many import train_many
        from privbench.training.modules import load_module
        from privbench.training.predict import log_probs

        model = registry.create("model", self.model)
        assert isinstance(model, Model)
        known = view.auxiliary.images.to(view.device)
        values = auxiliary_targets(view, challenge)
        held, train = held_out(view, "classifier", _HELD_OUT)
        copies = self.versions if self.versions is not None else by_scale(view.scale, 2, 10, 30)
        versions = torch.stack([view.simulate(known[train], "version", v) for v in range(copies)])
        check = view.simulate(known[held], "held-out")
        released = challenge.released.to(view.device)

        epochs, least_steps = by_scale(view.scale, (4, 0), (30, 500), (90, 0))
        config = TrainingConfig(epochs=self.epochs or epochs, min_steps=0 if self.epochs else least_steps)
        config = config.fitted(len(train))
        jobs = [
            TrainingJob(model, config, versions, values[train, t], count, view.seed("network", name))
            for t, (name, count) in enumerate(zip(challenge.targets, challenge.cardinalities, strict=True))
        ]
        finished: set[int] = set()

        def report(index: int, _: object) -> None:
            finished.add(index)
            view.progress(len(finished), len(jobs), "feature classifiers")

        shape = (known.shape[1], known.shape[2], known.shape[3])
        answers = []
        try:
            networks = train_many(jobs, view.device, on_done=report)
        except TrainingDiverged:
            # An adversary would try again, gently; giving up would pass for a strong defense.
            gentle = config.model_copy(update={"lr": config.lr / 10})
            networks = train_many([replace(job, config=gentle) for job in jobs], view.device, on_done=report)
        for t, trained in enumerate(networks):
            name, count = challenge.targets[t], challenge.cardinalities[t]
            network = load_module(model, shape, count, trained.weights, view.device)
            truth = values[held, t]
            linear = _Linear(versions, values[train, t])
            by_network = float((log_probs(network, check).argmax(-1) == truth).double().mean())
            by_linear = float((linear.predict(check) == truth.cpu()).double().mean())
            suffix = f"-{name}" if len(jobs) > 1 else ""
            view.log[f"loss{suffix}"] = list(trained.losses)
            view.log[f"validation{suffix}"] = [by_linear, by_network]
            best = by_network >= by_linear
            answers.append(
                log_probs(network, released).argmax(-1).cpu() if best else linear.predict(released)
            )
        return torch.stack(answers, 1)


class _Linear:
    """Logistic regression on pixels (averaged down to at most 32 a side), on all versions."""

    def __init__(self, versions: torch.Tensor, labels: torch.Tensor) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        self._only = int(labels[0])
        self._model: Any = None
        if (labels != labels[0]).any():
            self._model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=200))
            rows = torch.cat([_pixels(version) for version in versions])
            # One thread, so that sums are added in the same order on every machine.
            with threadpool_limits(limits=1):
                self._model.fit(rows.numpy(), labels.cpu().repeat(len(versions)).numpy())

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """The likeliest values, int64 [N] on the CPU."""
        if self._model is None:
            return torch.full((len(images),), self._only)
        return torch.from_numpy(self._model.predict(_pixels(images).numpy())).long()


def _pixels(images: torch.Tensor) -> torch.Tensor:
    height, width = images.shape[-2:]
    sides = (min(height, _POOLED_SIDE), min(width, _POOLED_SIDE))
    return torch.nn.functional.adaptive_avg_pool2d(images, sides).flatten(1).cpu().double()
