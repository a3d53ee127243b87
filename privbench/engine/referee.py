"""The referee of one seed: scores guesses and measures what deployments are worth and cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from privbench.core.controls import BREAK
from privbench.core.defense import Defense
from privbench.core.deployment import Deployment
from privbench.core.game import Game, Truth, clusters_of
from privbench.core.metric import Columns, Metric, ScoringContext
from privbench.core.records import Figure
from privbench.core.registry import create
from privbench.engine import seeds
from privbench.engine.cases import released, shown_order
from privbench.engine.defender import Defender
from privbench.engine.judge import judge
from privbench.engine.scoring import metrics_of, score
from privbench.engine.setting import release_size
from privbench.surfaces.scores import served

_INFERENCE_ROUNDS = 5


@dataclass(frozen=True)
class Service:
    """What a deployment is worth and costs.

    Attributes:
        utility: figures on the test data; empty where it answers nothing.
        release: figures of the released images.
        fit_seconds: of its training.
        images_per_second: that the service answers.
    """

    utility: dict[str, Figure]
    release: dict[str, Figure]
    fit_seconds: float
    images_per_second: float


@dataclass
class Referee:
    """Scores the cells of one seed; what several cells need is measured once."""

    defender: Defender
    _services: dict[str, Service] = field(default_factory=dict)

    def score(
        self, game: Game, truth: Truth, guess: torch.Tensor
    ) -> tuple[list[Metric], dict[str, Figure], dict[str, Columns]]:
        """The figures of a guess, with the metrics and the columns behind them."""
        setting = self.defender.setting
        metrics = metrics_of(game.subject, setting.outputs)
        needs_judge = any(metric.needs_judge for metric in metrics)
        context = ScoringContext(
            self.defender.device,
            judge(self.defender) if needs_judge else None,
            seeds.bootstrap(setting.seed, seeds.Game(game.registry_name)),
        )
        figures, columns = score(metrics, truth, guess, context)
        return metrics, figures, columns

    def service(self, defense: Defense) -> Service:
        """What the deployment of ``defense`` is worth and costs, measured once."""
        if defense.selector not in self._services:
            self._services[defense.selector] = self._measured(defense)
        return self._services[defense.selector]

    def plain(self) -> Service:
        """The same of the undefended model."""
        none = create("defense", BREAK)
        assert isinstance(none, Defense)
        return self.service(none)

    def _measured(self, defense: Defense) -> Service:
        deployment = self.defender.deploy(defense)
        utility, speed = self._utility(deployment)
        return Service(utility, self._release(deployment), deployment.trained.seconds, speed)

    def _utility(self, deployment: Deployment) -> tuple[dict[str, Figure], float]:
        if not deployment.defense.exposes & {"scores", "labels"}:
            return {}, 0.0
        setting = self.defender.setting
        test = setting.parts.test
        images = test.images.to(self.defender.device)
        predictions = served(deployment, images, 0).cpu()
        rounds = (_seconds(lambda: served(deployment, images, 0).cpu()) for _ in range(_INFERENCE_ROUNDS))
        fastest = min(rounds)
        context = ScoringContext(self.defender.device, None, seeds.bootstrap(setting.seed, "utility"))
        truth = Truth(originals=test, clusters=clusters_of(test))
        metrics = metrics_of(setting.task.utility, setting.outputs)
        return score(metrics, truth, predictions, context)[0], len(images) / fastest

    def _release(self, deployment: Deployment) -> dict[str, Figure]:
        if "images" not in deployment.defense.exposes:
            return {}
        setting = self.defender.setting
        shown = shown_order(setting)[: release_size(setting.scale)]
        images = released(deployment, "images", self.defender.private, shown)
        context = ScoringContext(self.defender.device, None, seeds.bootstrap(setting.seed, "release"))
        return score(metrics_of("release", setting.outputs), Truth(), images, context)[0]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
