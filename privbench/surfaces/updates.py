"""Updates that federated clients send to the server."""

from __future__ import annotations

import torch

from privbench.core.deployment import Deployment
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.registry import register
from privbench.core.seeds import derive_seed
from privbench.core.surface import Surface

_BATCH = 64


@register("updates")
class Updates(Surface):
    """What an honest-but-curious server sees in a round: each client's change of the model, [N, P].

    A client of the challenge holds one image, the case in which an update says most of it. ``none`` sends
    the plain gradient at the served weights, ``blackout`` noise.
    """

    source = "Zhu, Liu, Han, Deep leakage from gradients, NeurIPS 2019"
    asks = ("client_update",)
    base = "FederatedDefense"

    def release(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """One update for each image, flattened in the order of the module's parameters."""
        defense = deployment.defense
        labels = deployment.task.labels(data)
        seeds = [derive_seed(deployment.keys_seed, "client", int(i)) for i in index]
        width = _width(deployment)
        rows = [] if len(index) else [data.images.new_empty(0, width)]
        for start in range(0, len(index), _BATCH):
            part = index[start : start + _BATCH].to(data.images.device)
            rows.append(
                defense.client_update(  # type: ignore[attr-defined]
                    deployment.module,
                    deployment.task,
                    data.images[part],
                    labels[part],
                    seeds[start : start + _BATCH],
                ).detach()
            )
        made = torch.cat(rows)
        if made.dim() != 2 or made.shape[1] != width or not bool(torch.isfinite(made).all()):
            raise UserError(
                f"defense {defense.selector!r}: client_update returned {tuple(made.shape)}; expected finite "
                f"values [{len(index)}, {width}], one for each parameter of the model."
            )
        return made

    def release_plain(
        self, deployment: Deployment, data: LabelledImages, index: torch.Tensor
    ) -> torch.Tensor:
        """Minus the gradient of each image's loss: one plain step at a learning rate of 1."""
        from privbench.training.client_updates import gradients

        index = index.to(data.images.device)
        labels = deployment.task.labels(data)
        rows = [
            -gradients(deployment.module, deployment.task, data.images[part], labels[part])
            for part in torch.split(index, _BATCH)
            if len(part)
        ]
        return torch.cat([data.images.new_empty(0, _width(deployment)), *rows])

    def release_null(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """Normal noise of the size of a gradient."""
        width = _width(deployment)
        keys = Keys.fresh(deployment.keys_seed, len(data), data.images.device)
        parts = torch.tensor_split(index.to(data.images.device), max(1, len(index) // _BATCH))
        return torch.cat([keys[part].normal(width) for part in parts]).div_(width**0.5)


def _width(deployment: Deployment) -> int:
    """How many parameters the model has: the length of an update."""
    return sum(parameter.numel() for parameter in deployment.module.parameters())
