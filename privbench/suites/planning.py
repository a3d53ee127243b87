"""From a suite to what is run: the plan of each run, and the cell of ours that each figure is about."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from privbench.core import registry
from privbench.core.errors import UserError, unknown
from privbench.core.game import Game
from privbench.core.method import Kind, Method
from privbench.core.metric import Metric
from privbench.core.records import PROTOCOL_VERSION
from privbench.core.scale import Scale
from privbench.core.task import Task
from privbench.engine.plan import Plan, make_plan
from privbench.engine.selection import expand, method_of
from privbench.rating.cells import Pairing
from privbench.rating.grouping import BoardKey
from privbench.suites.reading import Suite, place_of
from privbench.suites.suite_file import FigureTable, RunTable, Setup

PARTS = ("utility", "release")
"""What a published figure may be of, beside the guess: ``utility:accuracy``, ``release:vfe``."""

S = TypeVar("S", bound=Setup)


@dataclass(frozen=True)
class Target:
    """Which figure of ours stands beside a published one.

    Attributes:
        board: dataset, model, scale, task and options.
        pairing: game, defense and attack; game and attack are empty for ``utility`` and ``release``.
        part: ``figures``, ``utility`` or ``release``.
        metric: a selector.
        unit: the metric's own.
    """

    board: BoardKey
    pairing: Pairing
    part: str
    metric: str
    unit: str


@dataclass(frozen=True)
class PlannedRun:
    """A run of a suite: its plan, how many threads it takes, and how its methods were named."""

    plan: Plan
    threads: int | None
    defenses: tuple[str, ...]
    attacks: tuple[str, ...]


@dataclass(frozen=True)
class PlannedSuite:
    """A suite with all that it runs and compares; ``asked`` are the scales that the file itself asks for."""

    suite: Suite
    runs: tuple[PlannedRun, ...]
    figures: tuple[tuple[FigureTable, Target], ...]
    asked: tuple[Scale, ...]


def plan_suite(suite: Suite, scale: Scale | None = None, seeds: Sequence[int] | None = None) -> PlannedSuite:
    """Plan all runs of ``suite``; ``scale`` and ``seeds`` replace those of the file.

    Raises:
        UserError: a method that does not exist or does not fit; file, table and key are named.
    """
    content, change = suite.content, {} if scale is None else {"scale": scale}
    told = [_merged(content.defaults, table) for table in content.run]
    runs = tuple(
        _planned(place_of(suite.file, "run", number), table.model_copy(update=change), seeds)
        for number, table in enumerate(told)
    )
    figures = []
    for number, table in enumerate(content.figure):
        figure = _merged(content.defaults, table).model_copy(update=change)
        figures.append((figure, _target(place_of(suite.file, "figure", number), figure)))
    asked = tuple(dict.fromkeys(table.scale for table in told))
    return PlannedSuite(suite, runs, tuple(figures), asked)


def _merged(defaults: RunTable, table: S) -> S:
    """``table`` with what it does not say from ``defaults``, as far as it has such keys."""
    fields = type(table).model_fields.keys() & (defaults.model_fields_set - table.model_fields_set)
    return table.model_copy(update={name: getattr(defaults, name) for name in fields})


def _planned(place: str, table: RunTable, seeds: Sequence[int] | None) -> PlannedRun:
    for key in ("defenses", "attacks"):
        if not getattr(table, key):
            raise UserError(f'{place}: names no {key}. Add {key} = ["..."], here or under [defaults].')
    with _within(f"{place}, defenses"):
        expand("defense", table.defenses)
    with _within(f"{place}, attacks"):
        expand("attack", table.attacks)
    for kind in ("dataset", "model", "task"):
        _method(place, kind, getattr(table, kind))
    with _within(place):
        plan = make_plan(
            table.defenses,
            table.attacks,
            table.dataset,
            table.model,
            table.seeds if seeds is None else tuple(seeds),
            table.scale,
            task=table.task,
            options=table.options,
            controls=table.controls,
        )
    return PlannedRun(plan, table.threads, table.defenses, table.attacks)


def _target(place: str, figure: FigureTable) -> Target:
    dataset, model, task, defense = (
        _method(place, kind, getattr(figure, kind)) for kind in ("dataset", "model", "task", "defense")
    )
    options = str(figure.options)
    board = BoardKey(dataset.selector, model.selector, figure.scale, PROTOCOL_VERSION, task.selector, options)
    part, colon, name = figure.metric.partition(":")
    if colon and part in PARTS:
        if figure.attack is not None or figure.game is not None:
            raise UserError(f"{place}: {part} is the defense's own. Leave attack and game out.")
        pairing = Pairing("", defense.selector, "")
        subject = cast("Task", task).utility if part == "utility" else "release"
    elif figure.attack is None or figure.game is None:
        raise UserError(
            f"{place}: a figure of a guess needs attack and game; of the defense, it is "
            f"{' or '.join(f'{each}:{figure.metric}' for each in PARTS)}."
        )
    else:
        part, name = "figures", figure.metric
        attack, game = _method(place, "attack", figure.attack), _method(place, "game", figure.game)
        pairing = Pairing(game.selector, defense.selector, attack.selector)
        subject = cast("Game", game).subject
    metric = cast("Metric", _method(place, "metric", name))
    if metric.subject != subject:
        raise UserError(
            f"{place}, metric: {metric.selector} measures {metric.subject}, and what is named here is "
            f"measured by metrics of {subject}. See: privbench list metrics"
        )
    units = ["%", ""] if not metric.unit and metric.bounds[1] <= 1 else [metric.unit]
    if figure.unit not in units:
        raise UserError(f"{place}: {unknown(f'unit of {metric.selector}:', figure.unit, units)}")
    return Target(board, pairing, part, metric.selector, metric.unit)


def _method(place: str, kind: str, text: str) -> Method:
    with _within(f"{place}, {kind}"):
        named = cast("Kind", kind)
        if kind in {"game", "metric"}:
            return registry.create(named, text)
        return method_of(named, text)


@contextlib.contextmanager
def _within(place: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error
