"""From a suite to the plans of its runs, and to the cells that its published figures are about."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from privbench.core.errors import UserError, unknown
from privbench.core.options import Options
from privbench.core.records import PROTOCOL_VERSION
from privbench.core.registry import create
from privbench.core.scale import Scale
from privbench.engine.plan import Plan, make_plan, method_of
from privbench.rating.grouping import BoardKey
from privbench.suites.suite import Axes, PublishedFigure, Suite, SuiteRun


@dataclass(frozen=True)
class PlannedRun:
    """One run with one dataset and one model."""

    run: SuiteRun
    plan: Plan

    @property
    def board(self) -> BoardKey:
        """The board that its results are part of."""
        plan = self.plan
        return BoardKey(
            plan.source.selector,
            plan.model.selector,
            plan.scale,
            PROTOCOL_VERSION,
            plan.task.selector,
            str(plan.options),
        )


@dataclass(frozen=True)
class Place:
    """Where a published figure is measured here; without ``attack`` and ``game``, of the defense itself."""

    board: BoardKey
    defense: str
    attack: str | None
    game: str | None


def plan_runs(
    suite: Suite,
    seeds: Sequence[int] = (),
    scale: Scale | None = None,
    only: Collection[str] = (),
) -> list[PlannedRun]:
    """The plans of a suite's runs, in order.

    Args:
        suite: what to plan.
        seeds: in place of the suite's own, if any.
        scale: in place of the suite's own.
        only: names of runs; the others are left out. Empty: all.

    Raises:
        UserError: something named does not exist or does not fit; the run is named.
    """
    names = [run.name for run in suite.run]
    for name in only:
        if name not in names:
            raise unknown("run of this suite", name, names)
    return [
        each for run in suite.run if not only or run.name in only for each in _plans(suite, run, seeds, scale)
    ]


def _plans(suite: Suite, run: SuiteRun, seeds: Sequence[int], scale: Scale | None) -> Iterator[PlannedRun]:
    said = {**_said(suite.defaults), **_said(run)}
    try:
        for dataset in _several(said.get("dataset", "mnist-5k")):
            for model in _several(said.get("model", "cnn")):
                plan = make_plan(
                    run.defenses,
                    run.attacks,
                    dataset,
                    model,
                    tuple(seeds) or said.get("seeds", (0,)),
                    scale or said.get("scale", "small"),
                    task=said.get("task", "classes"),
                    options=Options.create(**{name: said.get(name) for name in Options.model_fields}),
                    controls=said.get("controls", True),
                )
                yield PlannedRun(run, plan)
    except UserError as error:
        raise UserError(f"run {run.name!r}: {error}") from error


def _said(axes: Axes) -> dict[str, object]:
    return {name: value for name in Axes.model_fields if (value := getattr(axes, name)) is not None}


def _several(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given


def place_figures(suite: Suite, planned: Sequence[PlannedRun], *, partial: bool) -> list[Place | None]:
    """Where each published figure is measured; None for a run that is left out of a ``partial`` plan.

    Raises:
        UserError: a figure names something unknown, no cell of the plan, or several.
    """
    places = []
    for number, figure in enumerate(suite.figure, start=1):
        try:
            places.append(_placed(suite, figure, planned, partial=partial))
        except UserError as error:
            raise UserError(f"figure {number}: {error}") from error
    return places


def _placed(
    suite: Suite, figure: PublishedFigure, planned: Sequence[PlannedRun], *, partial: bool
) -> Place | None:
    create("metric", figure.metric)
    defense = create("defense", figure.defense).selector
    attack = None if figure.attack is None else create("attack", figure.attack).selector
    if figure.run is not None and figure.run not in (names := [run.name for run in suite.run]):
        raise unknown("run of this suite", figure.run, names)
    dataset = None if figure.dataset is None else method_of("dataset", figure.dataset).selector
    model = None if figure.model is None else method_of("model", figure.model).selector
    found = {
        Place(each.board, defense, attack, None if attack is None else cell.game.selector)
        for each in planned
        if figure.run in {None, each.run.name}
        and dataset in {None, each.board.dataset}
        and model in {None, each.board.model}
        for cell in each.plan.cells
        if cell.defense.selector == defense
        and attack in {None, cell.attack.selector}
        and figure.game in {None, cell.game.selector}
    }
    if len(found) > 1:
        raise UserError("several cells fit. Say which by `run`, `dataset`, `model` or `game`.")
    if not found and not partial:
        cell = " · ".join(filter(None, (figure.run, dataset, model, defense, attack, figure.game)))
        raise UserError(f"no run has the cell {cell}. Add it to a run's `defenses` and `attacks`.")
    return next(iter(found), None)

