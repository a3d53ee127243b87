"""Which seeds a cell uses: each is derived here and nowhere else, so that a record says the real ones."""

from __future__ import annotations

from privbench.core.seeds import derive_seed


class Game(str):
    """A game's name as an axis, whose type is part of the stream: figures were drawn from this one."""

    __slots__ = ()


def defender_key(root: int) -> int:
    """Of the defender's keys; secret."""
    return derive_seed(root, "defender-key")


def target(root: int) -> int:
    """Of the deployed model's training."""
    return derive_seed(root, "target")


def judge(root: int) -> int:
    """Of the referee's own classifier."""
    return derive_seed(root, "judge")


def shown(root: int) -> int:
    """Of the order in which releases are shown."""
    return derive_seed(root, "shown")


def bootstrap(root: int, subject: str) -> int:
    """Of the resampling of the utility's or of the release's samples, or of a ``Game``'s."""
    return derive_seed(root, "bootstrap", subject)


def adversary(root: int, game: str, attack: str) -> int:
    """Of one adversary's own randomness."""
    return derive_seed(derive_seed(root, "adversary"), Game(game), attack)


def shadows(root: int) -> int:
    """Of the shadow models, which all adversaries share."""
    return derive_seed(derive_seed(root, "adversary"), "shadows")


def used(root: int, game: str, attack: str) -> dict[str, int]:
    """All of a cell's seeds by name."""
    return {
        "root": root,
        "shown": shown(root),
        "defender-key": defender_key(root),
        "target": target(root),
        "judge": judge(root),
        "adversary": adversary(root, game, attack),
        "shadows": shadows(root),
        "bootstrap": bootstrap(root, Game(game)),
        "bootstrap-utility": bootstrap(root, "utility"),
        "bootstrap-release": bootstrap(root, "release"),
    }
