"""Planning: from what the user asks for to the list of cells."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.controls import CONTROLS, FLOOR
from privbench.core.dataset import DatasetSource
from privbench.core.defense import Defense
from privbench.core.errors import UserError
from privbench.core.method import Kind, Method
from privbench.core.model import Model
from privbench.core.scale import Scale
from privbench.core.selector import parse_selector
from privbench.core.threat import Game, why_not

FLOORS: dict[str, frozenset[Game]] = {
    FLOOR: frozenset(Game),
    f"{FLOOR}[aim=ssim]": frozenset({Game.RECONSTRUCTION}),
}
"""The best prior-only adversaries and the games in which they differ."""

T = TypeVar("T", bound=Method)


@dataclass(frozen=True)
class PlannedCell:
    """One attack against one defense in one game; ``reason`` says why it does not apply, if so."""

    defense: Defense
    attack: Attack
    game: Game
    reason: str | None


@dataclass(frozen=True)
class Plan:
    """What a run executes: for each seed, every cell."""

    source: DatasetSource
    model: Model
    scale: Scale
    seeds: tuple[int, ...]
    cells: tuple[PlannedCell, ...]


def dataset_source(text: str) -> DatasetSource:
    """The dataset for a selector; ``npz:PATH`` and ``imagefolder:PATH`` take a path."""
    selector = parse_selector(text)
    name, colon, path = selector.name.partition(":")
    if colon and not selector.name.endswith(".py") and ".py:" not in selector.name:
        cls = registry.find("dataset", name)
        if "path" not in cls.model_fields:
            raise UserError(
                f"dataset {name!r} takes no path. Write {name}, or see: privbench show dataset {name}"
            )
        return cast("DatasetSource", cls.create({"path": path, **selector.params}))
    cls = registry.find("dataset", selector.name)
    _require_own_name(cls, {})
    if "path" in cls.model_fields and "path" not in selector.params:
        raise UserError(f"dataset {selector.name!r} needs a path. Write {selector.name}:PATH.")
    return cast("DatasetSource", cls.create(dict(selector.params)))


def expand(kind: Kind, texts: Sequence[str]) -> list[Method]:
    """Methods for selectors, ``all`` and families (a game's name, for attacks), in order, once each."""
    found: dict[str, Method] = {}
    owners: dict[str, type[Method]] = {}
    for text in texts:
        family = {game.value for game in Game} if kind == "attack" else set()
        if text == "all" or text in family:
            methods = [registry.create(kind, name) for name in registry.names(kind)]
            if text in family:
                methods = [m for m in methods if Game(text) in cast("Attack", m).games]
        else:
            methods = [registry.create(kind, text, groups=("all", *family))]
        for method in methods:
            _require_own_name(type(method), owners)
            found.setdefault(method.selector, method)
    return list(found.values())


def _require_own_name(cls: type[Method], owners: dict[str, type[Method]]) -> None:
    """Refuse a class from a path or a plugin under another's name, in the registry or in ``owners``.

    Records are kept by name: it would take the other's place, in this run or among older records.
    """
    kind, name = cls.kind, cls.registry_name
    if "[" in name or "]" in name:
        raise UserError(
            f"{_origin(cls)} is called {name!r}: brackets hold parameters. Rename it in @register."
        )
    registered = registry.find(kind, name) if name in registry.names(kind) else cls
    for other in (registered, owners.setdefault(name, cls)):
        if other is not cls:
            raise UserError(
                f"{_origin(cls)} is called {name!r}, as is the {kind} {_origin(other)}: one would overwrite "
                f"the other's records. Give it a name of its own: @register('my-{name}')."
            )


def _origin(cls: type[Method]) -> str:
    return f"{inspect.getfile(cls)}:{cls.__name__}"


def make_plan(
    defenses: Sequence[str],
    attacks: Sequence[str],
    dataset: str,
    model: str,
    seeds: Sequence[int],
    scale: Scale,
    *,
    controls: bool = True,
) -> Plan:
    """Plan a run.

    With ``controls`` the plan also holds what leakage is measured against: the attacks on
    ``none`` (ceiling) and ``blackout`` (certification), and ``FLOORS`` on every defense.

    Raises:
        UserError: an unknown name, a bad parameter, a dataset that is not there, or nothing to run.
    """
    source = dataset_source(dataset)
    chosen_model = cast("Model", registry.create("model", model))
    _require_own_name(type(chosen_model), {})
    chosen_defenses = [cast("Defense", d) for d in expand("defense", defenses)]
    chosen_attacks = [cast("Attack", a) for a in expand("attack", attacks)]
    if any(seed < 0 for seed in seeds):
        raise UserError(f"--seed {min(seeds)}: seeds are whole numbers from 0.")
    if not chosen_defenses or not chosen_attacks or not seeds:
        raise UserError("nothing to run: name at least one defense, one attack and one seed.")
    source.content_hash()
    games = {
        game
        for attack in chosen_attacks
        for game in (attack.games & {Game(t) for t in attacks if t in set(Game)} or attack.games)
    }
    if controls:
        chosen_defenses = _with(
            [cast("Defense", registry.create("defense", c)) for c in CONTROLS], chosen_defenses
        )
        chosen_attacks = _with([cast("Attack", registry.create("attack", f)) for f in FLOORS], chosen_attacks)
    cells = [
        PlannedCell(defense, attack, game, _reason(defense, attack, game))
        for defense in chosen_defenses
        for attack in chosen_attacks
        for game in sorted(attack.games & games & FLOORS.get(attack.selector, frozenset(Game)))
    ]
    return Plan(source, chosen_model, scale, tuple(dict.fromkeys(seeds)), tuple(cells))


def _with(extra: list[T], chosen: list[T]) -> list[T]:
    names = {method.selector for method in chosen}
    return [*(method for method in extra if method.selector not in names), *chosen]


def _reason(defense: Defense, attack: Attack, game: Game) -> str | None:
    return why_not(
        game, attack.required_surfaces, attack.required_knowledge, defense.surfaces, defense.reuses_key
    )
