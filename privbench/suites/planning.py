"""From a suite to what is run: the plan of each run, and the cell of ours that each figure is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from privbench.core.errors import UserError
from privbench.core.scale import Scale
from privbench.engine.plan import Plan, make_plan
from privbench.engine.selection import expand
from privbench.suites.places import method_at, place_of, within
from privbench.suites.reading import Suite
from privbench.suites.suite_file import FigureTable, RunTable, Setup
from privbench.suites.targets import Target, target_of

S = TypeVar("S", bound=Setup)


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
        figures.append((figure, target_of(place_of(suite.file, "figure", number), figure)))
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
    with within(f"{place}, defenses"):
        expand("defense", table.defenses)
    with within(f"{place}, attacks"):
        expand("attack", table.attacks)
    for kind in ("dataset", "model", "task"):
        method_at(place, kind, getattr(table, kind))
    with within(place):
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
