"""Threat models: what a release exposes, what an adversary knows, which attack fits which defense."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Surface(StrEnum):
    """A part of a deployment that an adversary may see or query."""

    IMAGES = "images"
    """The protected images themselves."""
    PROTECT = "protect"
    """An oracle that protects images of the adversary's choice under the defender's key."""
    FEATURES = "features"
    """An encoder's outputs and the encoder as an oracle."""
    SCORES = "scores"
    """A prediction service: images in, class log-probabilities out."""
    WEIGHTS = "weights"
    """The trained model itself (white box)."""
    UPDATES = "updates"
    """Model updates of federated rounds."""
    CIPHERTEXTS = "ciphertexts"
    """Encrypted images and an evaluation interface."""


class Knowledge(IntEnum):
    """What an adversary knows beside the surfaces, weakest first. The algorithm is always public."""

    CIPHERTEXT_ONLY = 0
    """Nothing but the release."""
    PUBLIC_PRIOR = 1
    """Auxiliary data of the same kind, disjoint from the private data."""
    KNOWN_PAIRS = 2
    """Some private images with their releases."""
    CHOSEN_INPUTS = 3
    """The defender's own oracle, queried with inputs of choice."""
    SAME_KEY = 4
    """Many releases under one key."""
    WHITE_BOX = 5
    """The model's weights."""

    @property
    def label(self) -> str:
        """The field's name of the level, e.g. ``public prior``."""
        return self.name.lower().replace("_", " ")


class Game(StrEnum):
    """A privacy game: what the adversary tries to tell."""

    MEMBERSHIP = "membership"
    RECONSTRUCTION = "reconstruction"
    FEATURE = "feature"


_PLAYED_ON: dict[Game, frozenset[Surface]] = {
    Game.MEMBERSHIP: frozenset({Surface.SCORES, Surface.WEIGHTS, Surface.UPDATES}),
    Game.RECONSTRUCTION: frozenset({Surface.IMAGES, Surface.FEATURES, Surface.UPDATES, Surface.CIPHERTEXTS}),
    Game.FEATURE: frozenset({Surface.IMAGES, Surface.FEATURES, Surface.CIPHERTEXTS}),
}


def why_not(
    game: Game,
    needs: frozenset[Surface],
    knowledge: Knowledge,
    surfaces: frozenset[Surface],
    reuses_key: bool,
) -> str | None:
    """Why an attack does not apply to a defense, or None when it does.

    Args:
        game: the game to be played.
        needs: the surfaces that the attack reads or queries.
        knowledge: what the attack assumes of the adversary.
        surfaces: the surfaces that the defense exposes.
        reuses_key: whether the defense protects more than one image under one key.
    """
    if not _PLAYED_ON[game] & surfaces:
        wanted = ", ".join(sorted(_PLAYED_ON[game]))
        return f"the {game} game is played on one of: {wanted}; the defense exposes none of them"
    if missing := needs - surfaces:
        return f"needs {', '.join(sorted(missing))}, which the defense does not expose"
    if knowledge is Knowledge.SAME_KEY and not reuses_key:
        return "needs many releases under one key; the defense draws a fresh key for each image"
    return None
