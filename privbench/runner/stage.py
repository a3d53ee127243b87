"""The stage of one seed: splits, fitted defenses, views, challenges, truths, judge.

A stage holds no data and no truth. Each method loads what it needs and forgets it, so that
nothing on the way to an attack's ``guess`` references the answers.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar, cast

import torch

from privbench.core.defense import Defense
from privbench.core.games import (
    Challenge,
    FeatureChallenge,
    MembershipChallenge,
    ReconstructionChallenge,
    Truth,
    feature_targets,
)
from privbench.core.images import LabelledImages
from privbench.core.seeds import derive_seed
from privbench.core.threat import Game
from privbench.core.training import TrainedModel, TrainingJob
from privbench.core.view import AdversaryView, Deployment
from privbench.data.splits import Split, make_split, membership
from privbench.runner.cache import Cache
from privbench.runner.deploy import TASK, deployment, model_inputs, protected, training_job
from privbench.runner.provenance import layer_hash, method_hash, text_hash
from privbench.runner.settings import Setting, release_size
from privbench.runner.simulator import DefenseSimulator
from privbench.training.modules import build_module, load_module
from privbench.training.predict import answers
from privbench.training.train import train

T = TypeVar("T")

_STEPS = ("runner/deploy.py", "runner/simulator.py", "runner/stage.py")
"""The files that say how models are trained, beside the layers below them."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Stage:
    """Everything that the cells of one setting share."""

    setting: Setting
    cache: Cache
    progress: Progress
    _memo: dict[str, object] = field(default_factory=dict, compare=False)

    @property
    def device(self) -> torch.device:
        """Where everything is computed."""
        return torch.device(self.setting.device)

    @cached_property
    def split(self) -> Split:
        """Candidates, auxiliary and test data; who is a member is not part of it."""
        return make_split(self.setting.dataset(), self.setting.seed, self.setting.scale)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the images."""
        _, channels, height, width = self.setting.dataset().data.images.shape
        return channels, height, width

    @property
    def classes(self) -> int:
        """How many classes the task has."""
        return len(self.setting.dataset().class_names)

    def seed(self, *axes: str | int) -> int:
        """A seed of the defender's or the referee's for the stream named by ``axes``."""
        return derive_seed(self.setting.seed, *axes)

    def auxiliary(self) -> LabelledImages:
        """The public auxiliary data."""
        return self.setting.dataset().data[self.split.auxiliary].to(self.device)

    def _private(self) -> LabelledImages:
        members = membership(len(self.split.candidates), self.setting.seed)
        return self.setting.dataset().data[self.split.candidates[members]].to(self.device)

    def _shown(self, count: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(self.seed("shown"))
        order = torch.randperm(count, generator=generator)
        return order[: release_size(self.setting.scale)]

    def check(self, defense: Defense) -> None:
        """Try the data, the model and ``defense`` on two images, before anything takes long.

        Raises:
            UserError: they do not fit together.
        """
        few = self.auxiliary()[slice(0, 2)]
        protected(defense, few.images, 0)
        model_inputs(defense, few.images, 0)
        module = build_module(self.setting.model, self.shape, self.classes, 0)
        if defense.privacy(len(self._private())) is not None:
            # Opacus takes seconds to import.
            from privbench.training.per_sample import check_private

            check_private(self.setting.model, module)

    def fit(self, defense: Defense) -> TrainedModel:
        """The model that a deployment of ``defense`` serves, trained once and cached."""
        identity = {**self.identity(defense), "part": "target"}
        path = self.cache.path("targets", identity)
        if found := self.cache.load_model(path):
            return found
        job = training_job(
            defense,
            self.setting.model,
            self.setting.config,
            self._private(),
            self.auxiliary(),
            self.classes,
            self.seed("target"),
            self.seed("defender-key"),
        )
        trained = train(job, self.device, on_epoch=lambda e, n: self.progress(e, n, "target model"))
        self.cache.save_model(path, trained)
        return trained

    def identity(self, defense: Defense) -> dict[str, object]:
        """What a cache key of a step through ``defense`` holds."""
        return {
            **self.setting.identity(),
            "defense": defense.selector,
            "defense_code": method_hash(defense),
            # Defenses may compute with metrics (VFE guides VIM's windows).
            "steps_code": layer_hash("metrics", *_STEPS),
        }

    def deploy(self, defense: Defense) -> Deployment:
        """The fitted defense's surfaces."""
        return deployment(
            defense,
            self.setting.model,
            self.fit(defense),
            self.shape,
            self.classes,
            self.seed("defender-key"),
            self.device,
        )

    def view(self, defense: Defense, game: Game, attack: str) -> AdversaryView:
        """The view of an adversary that plays ``game`` against ``defense``."""
        auxiliary = self.auxiliary()
        adversary = derive_seed(self.setting.seed, "adversary")
        simulator = DefenseSimulator(
            defense,
            self.setting.model,
            self.setting.config,
            auxiliary,
            self.classes,
            derive_seed(adversary, "shadows"),
            self.device,
            self.cache,
            # A hash, since the seeds of the truth could be derived from the identity itself.
            {"identity": text_hash(json.dumps(self.identity(defense), sort_keys=True))},
            self.progress,
        )
        return AdversaryView(
            self.deploy(defense),
            auxiliary,
            simulator,
            self.classes,
            self.setting.dataset().attribute_names,
            self.setting.scale,
            self.device,
            derive_seed(adversary, game, attack),
            progress=self.progress,
        )

    def challenge(self, defense: Defense, game: Game) -> Challenge:
        """What the adversary is asked; the same images for every defense and attack of a seed."""
        if game is Game.MEMBERSHIP:
            candidates = self.setting.dataset().data[self.split.candidates].to(self.device)
            return MembershipChallenge(candidates.images, candidates.labels)
        private = self._private()
        released = protected(defense, private.images, self.seed("defender-key"))[self._shown(len(private))]
        if game is Game.RECONSTRUCTION:
            return ReconstructionChallenge(released, self.shape)
        names, cardinalities, _ = feature_targets(
            private, self.classes, self.setting.dataset().attribute_names
        )
        return FeatureChallenge(released, names, cardinalities)

    def truth(self, game: Game) -> Truth:
        """The answers to ``challenge``; made after the guess is in."""
        if game is Game.MEMBERSHIP:
            candidates = self.setting.dataset().data[self.split.candidates]
            members = membership(len(self.split.candidates), self.setting.seed)
            return Truth(members=members, clusters=self._clusters(candidates))
        private = self._private()
        shown = private[self._shown(len(private))].to("cpu")
        if game is Game.RECONSTRUCTION:
            return Truth(originals=shown, clusters=self._clusters(shown))
        _, _, features = feature_targets(shown, self.classes, self.setting.dataset().attribute_names)
        return Truth(features=features, clusters=self._clusters(shown))

    def test_truth(self) -> Truth:
        """The test data, for utility."""
        test = self.setting.dataset().data[self.split.test]
        return Truth(originals=test, clusters=self._clusters(test))

    def _clusters(self, data: LabelledImages) -> torch.Tensor | None:
        return None if data.identities is None else data.identities.cpu()

    def judge(self) -> Callable[[torch.Tensor], torch.Tensor]:
        """A classifier of plain images, trained on auxiliary data, independent of every defense."""
        identity = {**self.setting.identity(), "part": "judge", "steps_code": layer_hash(*_STEPS)}
        path = self.cache.path("judges", identity)
        trained = self.cache.load_model(path)
        if trained is None:
            data = self.auxiliary()
            config = self.setting.config.for_size(len(data)).model_copy(update={"augment": True})
            trained = train(
                TrainingJob(
                    model=self.setting.model,
                    task=TASK,
                    config=config,
                    images=data.images[None],
                    labels=TASK.labels(data),
                    outputs=self.classes,
                    seed=self.seed("judge"),
                ),
                self.device,
            )
            self.cache.save_model(path, trained)
        module = load_module(self.setting.model, self.shape, self.classes, trained.weights, self.device)
        return lambda images: answers(module, images.to(self.device), TASK)

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """Compute a figure that cells share once; ``name`` tells it from others of this stage."""
        if name not in self._memo:
            self._memo[name] = compute()
        return cast("T", self._memo[name])
