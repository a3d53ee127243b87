"""No defense: the control that every attack must break."""

from __future__ import annotations

import torch

from privbench.core import registry
from privbench.core.defense import ImageDefense
from privbench.core.keys import Keys
from privbench.core.registry import register


@register("none")
class NoDefense(ImageDefense):
    """Releases the private images themselves and a model trained on them.

    It exposes every surface there is, each in its plain form, so that each attack can be certified.
    """

    control = "break"
    source = "control: an attack that does not win here is broken itself"

    @property
    def exposes(self) -> frozenset[str]:
        """Every surface that is known."""
        return frozenset(registry.known("surface"))

    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """The images themselves."""
        return images
