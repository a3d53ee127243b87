"""Which figure of ours stands beside a published one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from privbench.core.dataset import DatasetSource
from privbench.core.errors import UserError, unknown
from privbench.core.game import Game
from privbench.core.metric import Metric
from privbench.core.records import PROTOCOL_VERSION
from privbench.core.task import Task
from privbench.engine.setting import dataset_label
from privbench.rating.cells import Pairing
from privbench.rating.grouping import BoardKey
from privbench.suites.places import method_at
from privbench.suites.suite_file import FigureTable

PARTS = ("utility", "release")
"""What a published figure may be of, beside the guess: ``utility:accuracy``, ``release:vfe``."""


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


def target_of(place: str, figure: FigureTable) -> Target:
    """The figure of ours that ``figure`` is beside; ``place`` is where in the file it stands.

    Raises:
        UserError: a method that does not exist, or a metric or unit that does not fit.
    """
    dataset, model, task, defense = (
        method_at(place, kind, getattr(figure, kind)) for kind in ("dataset", "model", "task", "defense")
    )
    options = str(figure.options)
    name = dataset_label(cast("DatasetSource", dataset))
    board = BoardKey(name, model.selector, figure.scale, PROTOCOL_VERSION, task.selector, options)
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
        attack, game = method_at(place, "attack", figure.attack), method_at(place, "game", figure.game)
        pairing = Pairing(game.selector, defense.selector, attack.selector)
        subject = cast("Game", game).subject
    metric = cast("Metric", method_at(place, "metric", name))
    if metric.subject != subject:
        raise UserError(
            f"{place}, metric: {metric.selector} measures {metric.subject}, and what is named here is "
            f"measured by metrics of {subject}. See: privbench list metrics"
        )
    units = ["%", ""] if not metric.unit and metric.bounds[1] <= 1 else [metric.unit]
    if figure.unit not in units:
        raise UserError(f"{place}: {unknown(f'unit of {metric.selector}:', figure.unit, units)}")
    return Target(board, pairing, part, metric.selector, metric.unit)
