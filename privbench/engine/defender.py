"""The defender of one seed: fits defenses, puts them in service, and trains what adversaries ask for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from privbench.core.defense import Defense, TrainingDefense
from privbench.core.deployment import Deployment
from privbench.core.errors import CannotWrite
from privbench.core.hashing import text_hash
from privbench.core.images import LabelledImages
from privbench.core.protection import model_inputs, protected
from privbench.core.training import TrainedModel
from privbench.engine import seeds
from privbench.engine.fit_many import fit_many
from privbench.engine.fitting import Fit, Progress, Recipe, fit_one, shadow_fit, shadow_seeds
from privbench.engine.keys import FITTING, code_of, libraries_of
from privbench.engine.provenance import instructions
from privbench.engine.setting import Setting
from privbench.store.cache import Cache
from privbench.surfaces.features import encoded
from privbench.training.modules import build_defended, load_defended


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
            "instructions": instructions(),
        }

    def fit(self, defense: Defense) -> TrainedModel:
        """The fitted ``defense``, from the cache where it is there."""
        path = self._target_path(defense)
        if found := self.cache.load_model(path):
            return found
        trained = fit_one(self._target(defense), self.recipe, self.progress)
        self.cache.save_model(path, trained)
        return trained

    def fit_all(self, defenses: Iterable[Defense]) -> None:
        """Fit the ``defenses`` together, on all cores, into the cache.

        Where one fails, what is left is fitted when it is needed, and the failure told there.
        """
        missing = [defense for defense in defenses if not self.cache.has(self._target_path(defense))]
        if len(missing) < 2:
            return
        trained = 0

        def keep(index: int, model: TrainedModel) -> None:
            nonlocal trained
            trained += 1
            self.cache.save_model(self._target_path(missing[index]), model)
            self.progress(trained, len(missing), "target models")

        try:
            fit_many([self._target(defense) for defense in missing], self.recipe, keep)
        except (CannotWrite, KeyboardInterrupt):
            raise
        except BaseException:  # noqa: BLE001, S110 - a defense's code may raise anything
            pass

    def _target(self, defense: Defense) -> Fit:
        root = self.setting.seed
        return Fit(defense, self.private, self.auxiliary, seeds.target(root), seeds.defender_key(root))

    def _target_path(self, defense: Defense) -> Path:
        return self.cache.path("targets", {**self.identity(defense), "part": "target"})

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

        def keep(index: int, model: TrainedModel) -> None:
            fitted[missing[index]] = model
            self.cache.save_model(paths[missing[index]], model)
            self.progress(len(fitted), count, "shadow models")

        fits = [shadow_fit(defense, data, self.auxiliary, drawn[k]) for k in missing]
        fit_many(fits, self.recipe, keep)
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
