"""The trained model itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from privbench.core.deployment import Deployment
from privbench.core.port import Ask, Tensors
from privbench.core.registry import register
from privbench.core.surface import Surface
from privbench.core.threat import Knowledge

if TYPE_CHECKING:
    from privbench.core.view import AdversaryView


@register("weights")
class Weights(Surface):
    """A copy of the deployed model, in evaluation mode (white box): ``view.weights()`` gives a module."""

    source = "White-box access; Nasr, Shokri, Houmansadr, IEEE S&P 2019"
    oracle = True
    implies = frozenset({Knowledge.WHITE_BOX})

    def answer(self, deployment: Deployment, inputs: Tensors, query: int) -> Tensors:
        """The state dict of the served network."""
        return {name: value.detach().cpu().clone() for name, value in deployment.module.state_dict().items()}

    def cost(self, inputs: Tensors) -> int:
        """One, for the model is handed over once."""
        return 1

    def open(self, view: AdversaryView, ask: Ask) -> Callable[[], torch.nn.Module]:
        """A function that builds the network and fills it with the deployed weights."""
        # Loads torch, which the catalogue must not to be listed.
        from privbench.training.modules import load_defended

        def weights() -> torch.nn.Module:
            return load_defended(view.defense, view.model, view.shape, view.outputs, ask({}), view.device)

        return weights
