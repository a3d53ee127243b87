"""Attacks in the engine's own process: for debugging, since the truth is in reach."""

from __future__ import annotations

import copy
from typing import ClassVar

import torch

from privbench.core.errors import CannotWrite
from privbench.core.game import Challenge
from privbench.core.images import LabelledImages
from privbench.core.port import Shadows, Tensors
from privbench.core.training import TrainedModel, TrainingJob
from privbench.core.view import AdversaryView
from privbench.engine.adversary import Adversary
from privbench.engine.executors.guess import IN_PROCESS, Answer, AttackFailed
from privbench.engine.executors.running import failure, run_attack
from privbench.engine.shadows import shadow_models


class LocalPort:
    """The adversary itself as a port."""

    def __init__(self, adversary: Adversary) -> None:
        self._adversary = adversary
        fields = {name: value for name, value in adversary.view_fields().items() if name != "pairs"}
        self._view = AdversaryView(**{**fields, "public": None}, port=self)

    def ask(self, surface: str, inputs: Tensors) -> Tensors:
        """Query an oracle."""
        return self._adversary.ask(surface, inputs)

    def released(self) -> Tensors:
        """The whole release."""
        return self._adversary.released()

    def train(self, jobs: list[TrainingJob], text: str) -> list[TrainedModel]:
        """Train jobs."""
        return self._adversary.train(jobs, text)

    def shadows(self, data: LabelledImages, count: int) -> Shadows:
        """Train shadow models."""
        trained = self._adversary.shadows(data, count)
        return shadow_models(self._view, trained, self._adversary.shadow_seed, len(data))

    def progress(self, done: int, total: int, text: str) -> None:
        """Say how far the attack is."""
        self._adversary.progress(done, total, text)


class InProcess:
    """Runs attacks here; a debugger reaches them, and they reach everything."""

    flags: ClassVar[tuple[str, ...]] = (IN_PROCESS,)

    def start(self) -> None:
        """Nothing takes long."""

    def guess(self, adversary: Adversary, challenge: Challenge) -> Answer:
        """The attack's answer, on copies of its inputs.

        Raises:
            AttackFailed: it raised something.
        """
        fields = adversary.view_fields()
        given, asked = copy.deepcopy({n: fields[n] for n in ("public", "pairs")}), copy.deepcopy(challenge)
        cuda = adversary.defender.device.type == "cuda"
        with torch.random.fork_rng(devices=[0] if cuda else []):
            try:
                guess, log, warned = run_attack(
                    adversary.attack, asked, {**fields, **given}, LocalPort(adversary)
                )
            except (CannotWrite, KeyboardInterrupt):
                raise
            except BaseException as error:
                raise AttackFailed(*failure(error, adversary.attack)) from error
        return Answer(guess, log, warned)
