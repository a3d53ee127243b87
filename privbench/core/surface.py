"""The base of surfaces: what of a deployment an adversary sees or queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import torch

from privbench.core.defense import Defense
from privbench.core.deployment import Deployment
from privbench.core.errors import PrivbenchError
from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.method import Method
from privbench.core.port import Ask, Tensors
from privbench.core.registry import create
from privbench.core.threat import Knowledge
from privbench.core.view import AdversaryView


class Surface(Method):
    """One surface; its file says everything about it.

    A surface gives away something for each of the private data (``release``), or answers queries
    (``answer``), or both. ``none`` and ``blackout`` expose every surface, so that attacks on it can
    be certified: ``release_plain`` and ``release_null`` say what they release there.

    Attributes:
        asks: the methods that a defense must define to expose the surface.
        base: the base class of defenses that has them, for messages.
        oracle: whether it answers queries.
        implies: what an adversary who has the surface knows by that.
    """

    kind = "surface"
    asks: ClassVar[tuple[str, ...]] = ()
    base: ClassVar[str] = "Defense"
    oracle: ClassVar[bool] = False
    implies: ClassVar[frozenset[Knowledge]] = frozenset()

    def lacking(self, defense: Defense) -> str | None:
        """What ``defense`` must define before it can expose the surface; None if nothing is missing."""
        absent = [name for name in self.asks if not callable(getattr(defense, name, None))]
        if not absent or defense.control:
            return None
        return (
            f"defense {defense.selector!r} declares the surface {self.registry_name!r} and does not define "
            f"{', '.join(absent)}. Derive it from {self.base}, which says what that must be."
        )

    def released(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """What the deployment (a control's too) releases for ``data[index]``: [N, ...].

        Raises:
            PrivbenchError: the surface releases nothing for single data, or not one row each.
        """
        control = deployment.defense.control
        if control == "break":
            made = self.release_plain(deployment, data, index)
        elif control == "null":
            made = self.release_null(deployment, data, index)
        else:
            made = self.release(deployment, data, index)
        if not isinstance(made, torch.Tensor) or len(made) != len(index):
            got = tuple(made.shape) if isinstance(made, torch.Tensor) else f"a {type(made).__name__}"
            raise PrivbenchError(
                f"surface {self.registry_name!r} released {got} of {deployment.defense.selector!r} for "
                f"{len(index)} images; expected a tensor with a row for each."
            )
        return made

    def release(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """What is released for ``data[index]``, [N, ...]; keys are those of the positions in ``data``."""
        raise PrivbenchError(
            f"the surface {self.registry_name!r} releases nothing for single images; it is an oracle only."
        )

    def release_plain(
        self, deployment: Deployment, data: LabelledImages, index: torch.Tensor
    ) -> torch.Tensor:
        """What ``none`` releases: by default the images themselves."""
        return data.images[index]

    def release_null(self, deployment: Deployment, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
        """What ``blackout`` releases: by default uniform noise in the shape of ``none``'s release."""
        shape = self.release_plain(deployment, data, index[:1]).shape[1:]
        keys = Keys.fresh(deployment.keys_seed, len(data), data.images.device)
        return keys[index.to(data.images.device)].uniform(*shape)

    def answer(self, deployment: Deployment, inputs: Tensors, query: int) -> Tensors:
        """What the deployment answers to ``inputs``; ``query`` numbers the calls of one adversary."""
        raise PrivbenchError(f"the surface {self.registry_name!r} is no oracle: it answers no queries.")

    def cost(self, inputs: Tensors) -> int:
        """How many queries ``inputs`` are: the rows of its tensors unless overridden."""
        return max((len(tensor) for tensor in inputs.values()), default=1)

    def open(self, view: AdversaryView, ask: Ask) -> Any:
        """What ``view.<surface>`` is to an attack: by default a function of one tensor.

        It runs where the attack runs. ``ask`` sends inputs to the deployment and returns its answer.
        """

        def query(inputs: torch.Tensor) -> torch.Tensor:
            return ask({"inputs": inputs.detach()})["answer"].to(view.device)

        return query


def implied(surfaces: Iterable[str]) -> frozenset[Knowledge]:
    """What an adversary who has the ``surfaces``, by name, knows by that."""
    found = [create("surface", name) for name in surfaces]
    return frozenset().union(*(surface.implies for surface in found if isinstance(surface, Surface)))
