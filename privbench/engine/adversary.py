"""One adversary as the engine sees it: what its view holds, and the engine's end of its port."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from privbench.core.attack import Attack
from privbench.core.defense import Defense
from privbench.core.deployment import Case
from privbench.core.errors import SurfaceMissing, UserError
from privbench.core.game import Challenge, Game
from privbench.core.images import LabelledImages
from privbench.core.method import Method
from privbench.core.port import Tensors
from privbench.core.registry import create
from privbench.core.surface import Surface
from privbench.core.threat import Knowledge
from privbench.core.training import TrainedModel, TrainingJob
from privbench.core.view import KnownPairs
from privbench.engine import seeds
from privbench.engine.defender import Defender
from privbench.engine.keys import with_uses
from privbench.training.many import train_many


@dataclass
class Adversary:
    """Plays ``game`` against one deployment by ``attack``.

    Attributes:
        queries: images sent to each oracle so far.
        warnings: of libraries while models were trained for it.
    """

    defender: Defender
    case: Case
    attack: Attack
    game: Game
    queries: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _calls: int = 0

    @property
    def defense(self) -> Defense:
        """The defense that is attacked."""
        return self.case.deployment.defense

    @property
    def declared(self) -> frozenset[str]:
        """The surfaces that the attack declares."""
        return self.attack.required_surfaces

    def challenge(self) -> Challenge:
        """What the adversary is asked."""
        challenge: Challenge = self.game.challenge(self.case, self._released())
        return challenge

    def view_fields(self) -> dict[str, Any]:
        """The fields of the view, cut to what the attack declares, but for its port."""
        setting, knowledge = self.defender.setting, self.attack.required_knowledge
        prior = Knowledge.PUBLIC_PRIOR in knowledge
        return {
            "defense": self.defense,
            "game": self.game,
            "task": setting.task,
            "model": setting.model,
            "config": setting.config,
            "outputs": setting.outputs,
            "shape": setting.shape,
            "attribute_names": setting.parts.attribute_names,
            "scale": setting.scale,
            "device": self.defender.device,
            "root_seed": seeds.adversary(setting.seed, self.game.registry_name, self.attack.selector),
            "needs": self.declared,
            "knowledge": knowledge,
            "public": self.defender.auxiliary if prior else None,
            "pairs": self._pairs() if Knowledge.KNOWN_PAIRS in knowledge else None,
        }

    @property
    def shadow_seed(self) -> int:
        """The seed from which shadow models are drawn; nothing of the truth follows from it."""
        return seeds.shadows(self.defender.setting.seed)

    def trainable(self) -> dict[tuple[str, str], Method]:
        """The models and tasks that the attack may have trained, by kind and selector."""
        setting = self.defender.setting
        known = with_uses([setting.model, setting.task, *self.attack.uses])
        return {(m.kind, m.selector): m for m in known if m.kind in {"model", "task"}}

    def ask(self, surface: str, inputs: Tensors) -> Tensors:
        """Answer a query, and count it.

        Raises:
            SurfaceMissing: the attack did not declare the surface, or the defense does not expose it.
        """
        if surface not in self.declared or surface not in self.defense.exposes:
            raise SurfaceMissing(f"the surface {surface!r} is not declared by {self.attack.selector!r}")
        found = create("surface", surface)
        assert isinstance(found, Surface)
        self.queries[surface] = self.queries.get(surface, 0) + found.cost(inputs)
        self._calls += 1
        device = self.defender.device
        on_device = {name: tensor.to(device) for name, tensor in inputs.items()}
        return found.answer(self.case.deployment, on_device, self._calls)

    def released(self) -> Tensors:
        """What the declared surfaces released for all private data, in random order."""
        order = self.case.order
        if len(self.case.given):
            order = order[~torch.isin(order, self.case.given)]
        return self.case.released(self._released(), order)

    def train(self, jobs: list[TrainingJob], text: str) -> list[TrainedModel]:
        """Train jobs that the attack asks for."""
        done: set[int] = set()

        def report(index: int, _: TrainedModel) -> None:
            done.add(index)
            self.defender.progress(len(done), len(jobs), text)

        return self._heard(train_many(jobs, self.defender.device, on_done=report))

    def _heard(self, models: list[TrainedModel]) -> list[TrainedModel]:
        self.warnings += [text for model in models for text in model.warnings]
        return models

    def shadows(self, data: LabelledImages, count: int) -> list[TrainedModel]:
        """Train shadow models of the attacked defense.

        Raises:
            UserError: the attack does not declare a public prior, or asks for no model.
        """
        if Knowledge.PUBLIC_PRIOR not in self.attack.required_knowledge or count < 1:
            raise UserError(f"{self.attack.selector!r} may not have {count} shadow models")
        return self._heard(self.defender.shadows(self.defense, data, count))

    def progress(self, done: int, total: int, text: str) -> None:
        """Say how far the attack is."""
        self.defender.progress(done, total, text)

    def _released(self) -> frozenset[str]:
        """The declared surfaces that release something for single images in this game."""
        return self.declared & self.game.played_on & _releasing()

    def _pairs(self) -> KnownPairs:
        given = self.case.given
        originals = self.case.parts.private[given].to(self.defender.device)
        return KnownPairs(originals, self.case.released(self._released(), given))


def _releasing() -> frozenset[str]:
    from privbench.core import registry

    found = (registry.create("surface", name) for name in registry.usable("surface"))
    return frozenset(
        s.registry_name for s in found if isinstance(s, Surface) and type(s).release is not Surface.release
    )
