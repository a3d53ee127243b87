"""The adversary's copy of the defense: public algorithm, own keys, own models, cached."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from privbench.core.defense import Defense
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.model import Model
from privbench.core.seeds import derive_seed
from privbench.core.training import TrainedModel, TrainingConfig
from privbench.runner.cache import Cache
from privbench.runner.deploy import TASK, model_inputs, protected_under, training_job
from privbench.training.many import train_many
from privbench.training.modules import load_module
from privbench.training.predict import answers

_WAVE = 32
_WAVE_BYTES = 2**31


@dataclass(frozen=True)
class ShadowModels:
    """Trained shadow models; see ``core.view.Shadows``."""

    membership: torch.Tensor
    modules: list[torch.nn.Module]
    defense: Defense
    seeds: list[int]

    def log_probs(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """Class log-probabilities [K, N, classes] under the ``draw``-th keys of each model.

        A defense that reuses its key is queried under the key that the shadow trained with, as the
        deployed model is.
        """
        return torch.stack(
            [
                answers(module, model_inputs(self.defense, images, self._keys_seed(seed, draw)), TASK)
                for module, seed in zip(self.modules, self.seeds, strict=True)
            ]
        )

    def _keys_seed(self, seed: int, draw: int) -> int:
        return _training_keys(seed) if self.defense.reuses_key else derive_seed(seed, "draw", draw)


@dataclass(frozen=True)
class DefenseSimulator:
    """Runs a defense's public algorithm for an adversary; see ``core.view.Simulator``.

    Attributes:
        public: the auxiliary data, which a defense may use too.
        seed: the adversary's; shadow k is the same model whatever attack asks for it.
        identity: what the cache keys of shadow models hold beside their own data.
        progress: called with (done, total, text).
    """

    defense: Defense
    model: Model
    config: TrainingConfig
    public: LabelledImages
    classes: int
    seed: int
    device: torch.device
    cache: Cache
    identity: dict[str, Any]
    progress: Callable[[int, int, str], None]

    def protect(self, images: torch.Tensor, keys_seed: int) -> torch.Tensor:
        """Protect images, each under its own key drawn from ``keys_seed``.

        So too where the defender reuses a key, which the adversary does not know: what learns from
        images under a handful of shared keys learns these keys, and not to undo unknown ones.
        """
        return protected_under(self.defense, images, Keys.fresh(keys_seed, len(images), images.device))

    def shadows(self, data: LabelledImages, count: int) -> ShadowModels:
        """Train ``count`` models through the defense, each on a Bernoulli(1/2) draw of ``data``."""
        seeds = [derive_seed(self.seed, "shadow", k) for k in range(count)]
        masks = torch.stack([_coin_flips(len(data), derive_seed(s, "membership")) for s in seeds])
        digest = _digest(data)
        paths = [
            self.cache.path("shadows", {**self.identity, "data_digest": digest, "shadow_seed": s})
            for s in seeds
        ]
        trained: dict[int, TrainedModel] = {}
        for k, path in enumerate(paths):
            if found := self.cache.load_model(path):
                trained[k] = found
        missing = [k for k in range(count) if k not in trained]

        def keep(index: int, model: TrainedModel) -> None:
            trained[wave[index]] = model
            self.cache.save_model(paths[wave[index]], model)
            self.progress(len(trained), count, "shadow models")

        # Each job of a wave holds its own half of the data, protected.
        job_bytes = max(1, data.images.nbytes * self.defense.versions // 2)
        size = max(1, min(_WAVE, _WAVE_BYTES // job_bytes))
        for start in range(0, len(missing), size):
            wave = missing[start : start + size]
            jobs = [
                training_job(
                    self.defense,
                    self.model,
                    self.config,
                    data[masks[k].to(data.images.device)],
                    self.public,
                    self.classes,
                    derive_seed(seeds[k], "train"),
                    _training_keys(seeds[k]),
                )
                for k in wave
            ]
            train_many(jobs, self.device, on_done=keep)
        shape = (data.images.shape[1], data.images.shape[2], data.images.shape[3])
        modules = [
            load_module(self.model, shape, self.classes, trained[k].weights, self.device)
            for k in range(count)
        ]
        return ShadowModels(masks.to(self.device), modules, self.defense, seeds)


def _training_keys(seed: int) -> int:
    return derive_seed(seed, "keys")


def _coin_flips(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, generator=generator) < 0.5


def _digest(data: LabelledImages) -> str:
    digest = hashlib.sha256()
    for tensor in (data.images, data.labels):
        digest.update(tensor.cpu().contiguous().numpy().data)
    return digest.hexdigest()[:32]
