"""What a verdict rests on: which games that apply to the defense were played, and how often."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.controls import is_floor
from privbench.core.defense import Defense
from privbench.core.errors import UserError, counted
from privbench.core.game import Game
from privbench.core.method import Kind, Method
from privbench.core.records import Record
from privbench.rating.rating import Rating


@dataclass(frozen=True)
class Basis:
    """What a verdict rests on.

    Attributes:
        played: the games that gave a leakage.
        missing: the games that apply and gave none; empty too where ``known`` is false.
        known: whether it is known which games apply: for defenses that are installed, or whose records
            say what they expose.
        seeds: how many seeds the verdict shares.
        scale: of the board.
    """

    played: tuple[str, ...]
    missing: tuple[str, ...]
    known: bool
    seeds: int
    scale: str

    @property
    def complete(self) -> bool:
        """Whether every game that applies was played."""
        return self.known and not self.missing

    @property
    def games(self) -> str:
        """``2 of 4 games``."""
        of = f" of {len(self.played) + len(self.missing)}" if self.known else ""
        total = len(self.played) + len(self.missing) if self.known else len(self.played)
        return f"{len(self.played)}{of} {'game' if total == 1 else 'games'}"

    def __str__(self) -> str:
        return f"{self.games}, {counted(self.seeds, 'seed')}, {self.scale}"


def basis_of(
    records: Iterable[Record], defense: str, scale: str, ratings: Mapping[str, Rating], worst: Rating
) -> Basis:
    """The basis of the verdict on ``defense``, whose ``records`` they are."""
    played = tuple(sorted(game for game, rating in ratings.items() if rating.leakage is not None))
    surfaces = _exposed(records, defense)
    applying = games_on(surfaces) if surfaces is not None else frozenset()
    missing = tuple(sorted(applying - set(played)))
    return Basis(played, missing, surfaces is not None, len(worst.seeds), scale)


def games_on(surfaces: frozenset[str]) -> frozenset[str]:
    """The games that some attack of the catalogue plays on a defense that exposes ``surfaces``."""
    able = [
        attack
        for attack in _made("attack")
        if isinstance(attack, Attack)
        and not is_floor(attack.registry_name)
        and attack.required_surfaces <= surfaces
    ]
    return frozenset(
        game.registry_name
        for game in _made("game")
        if isinstance(game, Game)
        and game.played_on & surfaces
        and any(game.registry_name in attack.plays for attack in able)
    )


def _made(kind: Kind) -> Iterator[Method]:
    """The methods of a kind that can be made as they are."""
    for name in registry.usable(kind):
        with contextlib.suppress(UserError):
            yield registry.create(kind, name)


def _exposed(records: Iterable[Record], defense: str) -> frozenset[str] | None:
    told = {record.exposes for record in records if record.exposes}
    if told:
        return frozenset().union(*told)
    try:
        found = registry.create("defense", defense)
    except UserError:
        return None
    return frozenset(found.exposes) if isinstance(found, Defense) else None
