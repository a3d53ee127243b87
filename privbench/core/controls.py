"""The controls: what must be broken, what must leave attacks at chance, and the attack without a look.

Leakage and certification are measured by them, so that every run plays them.
"""

from __future__ import annotations

from privbench.core.selector import parse_selector

BREAK = "none"
"""The defense that must be broken: it releases everything."""

NULL = "blackout"
"""The defense that must leave every attack at chance: it releases nothing."""

FLOOR = "blind"
"""The attack that does not look at the release; what it gets is leakage 0."""

CONTROLS = (BREAK, NULL)
"""The defenses that are run for reference and have no rank."""


def base_name(selector: str) -> str:
    """The method's name without its parameters."""
    return parse_selector(selector).name


def is_floor(attack: str) -> bool:
    """Whether ``attack`` is the floor, with any parameters."""
    return base_name(attack) == FLOOR
