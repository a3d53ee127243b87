"""Planning: from what the user asks for to the list of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar, cast

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.controls import CONTROLS
from privbench.core.dataset import DatasetSource
from privbench.core.defense import Defense
from privbench.core.errors import UserError, unknown
from privbench.core.game import Game
from privbench.core.method import Kind, Method
from privbench.core.model import Model
from privbench.core.options import Options
from privbench.core.scale import Scale
from privbench.core.surface import Surface
from privbench.core.task import Task
from privbench.core.threat import Knowledge, why_not
from privbench.engine.selection import Named, expand, families, method_of, require_own_name

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
    task: Task
    scale: Scale
    seeds: tuple[int, ...]
    cells: tuple[PlannedCell, ...]
    options: Options = field(default_factory=Options)


def make_plan(
    defenses: Sequence[Named],
    attacks: Sequence[Named],
    dataset: Named = "mnist-5k",
    model: Named = "cnn",
    seeds: Sequence[int] = (0,),
    scale: Scale = "small",
    *,
    task: Named = "classes",
    options: Options | None = None,
    controls: bool = True,
) -> Plan:
    """Plan a run.

    With ``controls`` the plan also holds what leakage is measured against: the attacks on
    ``none`` (ceiling) and ``blackout`` (certification), and each game's floors on every defense.

    Raises:
        UserError: an unknown name, a bad parameter, a dataset that is not there, a surface that nobody
            builds, or nothing to run.
    """
    source = cast("DatasetSource", method_of("dataset", dataset))
    chosen_model = cast("Model", method_of("model", model))
    chosen_task = cast("Task", method_of("task", task))
    for method in (source, chosen_model, chosen_task):
        require_own_name(type(method), {})
    chosen_defenses = [cast("Defense", d) for d in expand("defense", defenses)]
    chosen_attacks = [cast("Attack", a) for a in expand("attack", attacks)]
    if any(seed < 0 for seed in seeds):
        raise UserError(f"--seed {min(seeds)}: seeds are whole numbers from 0.")
    if not chosen_defenses or not chosen_attacks or not seeds:
        raise UserError("nothing to run: name at least one defense, one attack and one seed.")
    source.content_hash()
    asked = families() & {a for a in attacks if isinstance(a, str)}
    names = {g for attack in chosen_attacks for g in (attack.plays & asked or attack.plays)}
    games = [_game(name) for name in sorted(names)]
    floors = {floor for game in games for floor in game.floors}
    wanted = list(chosen_defenses)
    if controls:
        chosen_defenses = _with([_made("defense", c) for c in CONTROLS], chosen_defenses)
        chosen_attacks = _with([_made("attack", f) for f in sorted(floors)], chosen_attacks)
    for defense in chosen_defenses:
        _require_surfaces(defense)
    cells = [
        PlannedCell(defense, attack, game, _reason(defense, attack, game, chosen_task))
        for defense in chosen_defenses
        for attack in chosen_attacks
        for game in games
        if game.registry_name in attack.plays
    ]
    # What applies to nothing that was asked for rates nothing, so that its controls would be for show.
    useful = {(c.attack, c.game) for c in cells if c.defense in wanted and c.reason is None}
    cells = [c for c in cells if c.defense in wanted or (c.attack, c.game) in useful]
    order = tuple(dict.fromkeys(seeds))
    return Plan(source, chosen_model, chosen_task, scale, order, tuple(cells), options or Options())


def _game(name: str) -> Game:
    if name not in registry.known("game"):
        raise UserError(
            f"{unknown('game', name, registry.known('game'))} An attack names the games that it plays in "
            "`games`; a game of your own may stand in the attack's file."
        )
    return cast("Game", registry.create("game", name))


def _made(kind: Kind, text: str) -> Method:
    return registry.create(kind, text)


def _with(extra: list[Method], chosen: Sequence[T]) -> list[T]:
    names = {method.selector for method in chosen}
    return [*(cast("T", method) for method in extra if method.selector not in names), *chosen]


def _require_surfaces(defense: Defense) -> None:
    """Refuse a defense with a surface that nobody builds: an attack would meet something else there."""
    known = registry.known("surface")
    for name in sorted(defense.exposes):
        if name not in known:
            raise UserError(
                f"defense {defense.selector!r} declares the surface {name!r}, which nothing builds "
                f"(there are: {', '.join(known)}). Write a class derived from privbench.Surface under "
                f"@register({name!r}), in the defense's own file or in privbench/surfaces/"
                f"{name.replace('-', '_')}.py, that says what is released and what is answered."
            )
        if told := cast("Surface", registry.create("surface", name)).lacking(defense):
            raise UserError(told)


def _reason(defense: Defense, attack: Attack, game: Game, task: Task) -> str | None:
    name = game.registry_name
    if foreign := attack.required_surfaces - game.played_on - game.beside:
        raise UserError(
            f"attack {attack.selector!r} declares {', '.join(sorted(foreign))} in `needs`, which the {name} "
            f"game does not show. It shows: {', '.join(sorted(game.played_on | game.beside))}."
        )
    knows_pairs = Knowledge.KNOWN_PAIRS in attack.required_knowledge
    if knows_pairs != (attack.required_pairs > 0):
        raise UserError(
            f"attack {attack.selector!r} "
            + (
                "declares known pairs and asks for none: set `pairs`."
                if knows_pairs
                else f"asks for {attack.required_pairs} known pairs and does not declare them: add "
                "Knowledge.KNOWN_PAIRS to `knowledge`."
            )
        )
    if attack.tasks is not None and task.registry_name not in attack.tasks:
        taught = ", ".join(sorted(attack.tasks))
        return f"reads models of the task {taught}; this run teaches {task.registry_name}"
    return why_not(
        name,
        game.played_on,
        attack.required_surfaces,
        attack.required_knowledge,
        defense.exposes,
        defense.reuses_key,
    )
