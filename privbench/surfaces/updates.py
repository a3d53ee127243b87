"""Updates that federated clients send to the server."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch

from privbench.core.deployment import Deployment
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.registry import register
from privbench.core.seeds import derive_seed
from privbench.core.surface import Surface


@register("updates")
class Updates(Surface):
    """What an honest-but-curious server sees in a round: each client's change of the model, [N, P].

    P is the number of the served model's parameters, without buffers. A client of the challenge holds
    one image, the case in which an update says most of it. ``none`` sends the plain gradient at the
    served weights, ``blackout`` noise.
    """

    source = "Zhu, Liu, Han, Deep leakage from gradients, NeurIPS 2019"
    asks = ("client_update",)
    base = "FederatedDefense"

    def release(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """One update for each image, float32, flattened in the order of the module's parameters.

        Raises:
            UserError: ``client_update`` returns something else.
        """
        labels = deployment.task.labels(data)

        def send(part: torch.Tensor) -> torch.Tensor:
            seeds = [derive_seed(deployment.keys_seed, "client", int(i)) for i in part]
            made = deployment.defense.client_update(  # type: ignore[attr-defined]
                deployment.module, deployment.task, data.images[part], labels[part], seeds
            )
            return _checked(made, deployment, len(part))

        return _in_parts(deployment, index.to(data.images.device), send)

    def release_plain(
        self, deployment: Deployment, data: LabelledImages, index: torch.Tensor
    ) -> torch.Tensor:
        """Minus the gradient of each image's loss: one plain step at a learning rate of 1.

        It is computed in double precision: where the model is sure of a label, float32 rounds 1 - p to
        zero, and the direction of the gradient with it.
        """
        from privbench.training.client_updates import local_changes

        labels = deployment.task.labels(data)
        module = copy.deepcopy(deployment.module).double()

        def send(part: torch.Tensor) -> torch.Tensor:
            wanted = labels[part].double() if labels.is_floating_point() else labels[part]
            return local_changes(module, deployment.task, data.images[part].double(), wanted, 1, 1.0)

        return _in_parts(deployment, index.to(data.images.device), send)

    def release_null(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """Normal noise of norm 1 or so."""
        width = _width(deployment)
        keys = Keys.fresh(deployment.keys_seed, len(data), data.images.device)
        return _in_parts(
            deployment, index.to(data.images.device), lambda part: keys[part].normal(width) / width**0.5
        )


def _width(deployment: Deployment) -> int:
    return sum(p.numel() for p in deployment.module.parameters())


def _in_parts(
    deployment: Deployment, index: torch.Tensor, send: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Float32 [N, P]: what ``send`` makes of ``index``, few at a time, in memory that is taken once."""
    from privbench.training.client_updates import clients_at_once

    made = torch.empty(len(index), _width(deployment), device=index.device)
    size = clients_at_once(deployment.module)
    for start in range(0, len(index), size):
        made[start : start + size] = send(index[start : start + size]).detach()
    return made


def _checked(made: object, deployment: Deployment, count: int) -> torch.Tensor:
    width, name = _width(deployment), deployment.defense.selector
    wanted = f"expected a tensor [{count}, {width}], for each client a value for each parameter of the model"
    if not isinstance(made, torch.Tensor) or tuple(made.shape) != (count, width):
        got = tuple(made.shape) if isinstance(made, torch.Tensor) else f"a {type(made).__name__}"
        raise UserError(f"defense {name!r}: client_update returned {got}; {wanted}.")
    if not bool(torch.isfinite(made).all()):
        raise UserError(
            f"defense {name!r}: client_update returned NaN or infinite values; {wanted}. Lower the clients' "
            "learning rate if their steps diverge."
        )
    return made
