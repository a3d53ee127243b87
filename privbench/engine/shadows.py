"""Shadow models as an attack holds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from privbench.core.defense import Defense
from privbench.core.protection import model_inputs
from privbench.core.seeds import derive_seed
from privbench.core.task import Task
from privbench.core.training import TrainedModel
from privbench.core.view import AdversaryView
from privbench.engine.fitting import shadow_members, shadow_seeds, training_keys
from privbench.training.modules import load_defended
from privbench.training.predict import answers


@dataclass(frozen=True)
class ShadowModels:
    """Trained shadow models; see ``core.surface.Shadows``."""

    membership: torch.Tensor
    modules: list[torch.nn.Module]
    defense: Defense
    task: Task
    seeds: list[int]

    def log_probs(self, images: torch.Tensor, draw: int = 0) -> torch.Tensor:
        """The models' answers [K, N, classes] under the ``draw``-th keys of each model.

        A defense that reuses its key is queried under the key that the shadow trained with, as the
        deployed model is.
        """
        return torch.stack(
            [
                answers(module, model_inputs(self.defense, images, self._keys_seed(seed, draw)), self.task)
                for module, seed in zip(self.modules, self.seeds, strict=True)
            ]
        )

    def _keys_seed(self, seed: int, draw: int) -> int:
        return training_keys(seed) if self.defense.reuses_key else derive_seed(seed, "draw", draw)


def shadow_models(
    view: AdversaryView, trained: Sequence[TrainedModel], root: int, samples: int
) -> ShadowModels:
    """The trained models as ``view`` holds them; ``root`` is the seed that they were drawn with."""
    drawn = shadow_seeds(root, len(trained))
    masks = torch.stack([shadow_members(seed, samples) for seed in drawn])
    modules = [
        load_defended(view.defense, view.model, view.shape, view.outputs, model.weights, view.device)
        for model in trained
    ]
    return ShadowModels(masks.to(view.device), modules, view.defense, view.task, drawn)
