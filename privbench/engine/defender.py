"""The defender of one seed: fits defenses, puts them in service, and trains what adversaries ask for."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from privbench.core.defense import Defense, TrainingDefense
from privbench.core.deployment import Deployment
from privbench.core.hashing import text_hash
from privbench.core.images import LabelledImages
from privbench.core.protection import model_inputs, protected
from privbench.core.training import TrainedModel
from privbench.engine import seeds
from privbench.engine.fitting import Progress, Recipe, fit_shadows, shadow_seeds
from privbench.engine.keys import FITTING, code_of, libraries_of
from privbench.engine.setting import Setting
from privbench.store.cache import Cache
from privbench.surfaces.features import encoded
from privbench.training.modules import build_defended, load_defended

_WAVE = 32
_WAVE_BYTES = 2**31


@dataclass
class Defender:
    """Fits each defense once, cached by the content of what the fit depends on."""

    setting: Setting
    cache: Cache
    progress: Progress
    _deployed: dict[str, Deployment] = field(default_factory=dict)

    @cached_property
    def device(self) -> torch.device:
        """Where everything is computed."""
        return torch.device(self.setting.device)

    @cached_property
    def recipe(self) -> Recipe:
        """How models are taught in this setting."""
        s = self.setting
        return Recipe(s.task, s.model, s.config, s.outputs, s.shape, self.device)

    @cached_property
    def auxiliary(self) -> LabelledImages:
        """The public auxiliary data, on the device."""
        return self.setting.parts.auxiliary.to(self.device)

    @cached_property
    def private(self) -> LabelledImages:
        """The private data, on the device."""
        return self.setting.parts.private.to(self.device)

    def identity(self, defense: Defense) -> dict[str, Any]:
        """What the cache key of a step through ``defense`` holds: the setting, code and libraries."""
        methods = (defense, self.setting.model, self.setting.task, self.setting.source)
        return {
            **self.setting.identity(),
            "defense": defense.selector,
            "code": code_of(*methods, files=FITTING),
            "libraries": libraries_of(*methods, files=FITTING),
        }

    def fit(self, defense: Defense) -> TrainedModel:
        """The fitted ``defense``, from the cache where it is there."""
        path = self.cache.path("targets", {**self.identity(defense), "part": "target"})
        if found := self.cache.load_model(path):
            return found
        root = self.setting.seed
        trainer = self.recipe.trainer(
            seeds.target(root), seeds.defender_key(root), self.progress, "target model"
        )
        trained = defense.fit(self.private, self.auxiliary, trainer)
        self.cache.save_model(path, trained)
        return trained

    def deploy(self, defense: Defense) -> Deployment:
        """The fitted ``defense`` in service; one for all cells of the seed."""
        if defense.selector not in self._deployed:
            s = self.setting
            trained = self.fit(defense)
            module = load_defended(defense, s.model, s.shape, s.outputs, trained.weights, self.device)
            self._deployed[defense.selector] = Deployment(
                defense,
                trained,
                module,
                s.model,
                s.task,
                s.shape,
                s.outputs,
                seeds.defender_key(s.seed),
                self.device,
            )
        return self._deployed[defense.selector]

    def shadows(self, defense: Defense, data: LabelledImages, count: int) -> list[TrainedModel]:
        """``count`` models of ``defense``, each fitted to a random half of ``data``; cached one by one."""
        data = data.to(self.device)
        # A hash, since what it is made from says more than an adversary should know.
        identity = text_hash(json.dumps(self.identity(defense), sort_keys=True))
        digest, drawn = _digest(data), shadow_seeds(seeds.shadows(self.setting.seed), count)
        paths = [
            self.cache.path("shadows", {"identity": identity, "data_digest": digest, "shadow_seed": s})
            for s in drawn
        ]
        fitted = {k: found for k, path in enumerate(paths) if (found := self.cache.load_model(path))}
        missing = [k for k in range(count) if k not in fitted]
        # Each job of a wave holds its own half of the data, protected.
        versions = defense.versions if isinstance(defense, TrainingDefense) else 1
        size = max(1, min(_WAVE, _WAVE_BYTES // max(1, data.images.nbytes * versions // 2)))
        for start in range(0, len(missing), size):
            wave = missing[start : start + size]

            def keep(index: int, model: TrainedModel, wave: list[int] = wave) -> None:
                fitted[wave[index]] = model
                self.cache.save_model(paths[wave[index]], model)
                self.progress(len(fitted), count, "shadow models")

            fit_shadows(defense, self.recipe, data, self.auxiliary, [drawn[k] for k in wave], keep)
        return [fitted[k] for k in range(count)]

    def check(self, defense: Defense) -> None:
        """Try the data, the model and ``defense`` on two images, before anything takes long.

        Raises:
            UserError: they do not fit together.
        """
        few = self.auxiliary[slice(0, 2)]
        if callable(getattr(defense, "protect", None)):
            protected(defense, few.images, 0)
        model_inputs(defense, few.images, 0)
        s = self.setting
        module = build_defended(defense, s.model, s.shape, s.outputs, 0)
        if isinstance(defense, TrainingDefense) and defense.privacy(len(self.private)) is not None:
            # Opacus takes seconds to import.
            from privbench.training.per_sample import check_private

            check_private(s.model, module)
        if callable(getattr(defense, "encode", None)):
            keys = defense.keys(0, len(few), self.device)
            encoded(defense, s.model, module.to(self.device).eval(), few.images, keys)


def _digest(data: LabelledImages) -> str:
    digest = hashlib.sha256()
    for tensor in (data.images, data.labels):
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:32]
