"""Threat models: what an adversary knows, and which attack fits which defense."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Knowledge(StrEnum):
    """What an adversary has beside the surfaces that it sees. The algorithm is always public."""

    PUBLIC_PRIOR = "public prior"
    """Auxiliary data of the same kind, disjoint from the private data, to learn from and to simulate with."""
    KNOWN_PAIRS = "known pairs"
    """Some private data with what was released for them."""
    CHOSEN_INPUTS = "chosen inputs"
    """Queries of its own choice to the defender's protection oracle."""
    REUSED_KEY = "reused key"
    """Many releases under one key."""
    WHITE_BOX = "white box"
    """The model's weights."""
    ACTIVE_SERVER = "active server"
    """A federated server that chooses what it sends to clients."""


def described(knowledge: Iterable[Knowledge]) -> str:
    """What an adversary knows, in words; ``ciphertext only`` where that is nothing but the release."""
    return ", ".join(sorted(knowledge)) or "ciphertext only"


def why_not(
    game: str,
    played_on: frozenset[str],
    needs: frozenset[str],
    knowledge: frozenset[Knowledge],
    surfaces: frozenset[str],
    reuses_key: bool,
) -> str | None:
    """Why an attack does not apply to a defense, or None when it does.

    Args:
        game: the game to be played.
        played_on: the surfaces on which the game can be played; one of them suffices.
        needs: the surfaces that the attack reads or queries.
        knowledge: what the attack assumes of the adversary.
        surfaces: the surfaces that the defense exposes.
        reuses_key: whether the defense protects more than one image under one key.
    """
    if not played_on & surfaces:
        wanted = ", ".join(sorted(played_on))
        return f"the {game} game is played on one of: {wanted}; the defense exposes none of them"
    if missing := needs - surfaces:
        return f"needs {', '.join(sorted(missing))}, which the defense does not expose"
    if Knowledge.REUSED_KEY in knowledge and not reuses_key:
        return "needs many releases under one key; the defense draws a fresh key for each image"
    return None
