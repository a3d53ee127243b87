"""No defense: the control that every attack must break."""

from __future__ import annotations

from privbench.core.defense import Defense
from privbench.core.registry import register
from privbench.core.threat import Surface


@register("none")
class NoDefense(Defense):
    """Releases the private images themselves and a model trained on them."""

    surfaces = frozenset({Surface.IMAGES, Surface.PROTECT, Surface.SCORES, Surface.WEIGHTS})
    control = "break"
    source = "control: an attack that does not win here is broken itself"
