"""Published figures beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from privbench.core.records import Figure
from privbench.rating.board import Board
from privbench.suites.planning import Place
from privbench.suites.suite import PublishedFigure


@dataclass(frozen=True)
class Comparison:
    """A published figure and ours.

    Attributes:
        published: what was published, and where.
        place: the cell that measures it here; None: it was left out.
        ours: our figure in the published unit, averaged over seeds; None: there is none.
        status: ``ok``, or why there is none.
    """

    published: PublishedFigure
    place: Place | None
    ours: Figure | None
    status: str

    @property
    def difference(self) -> float | None:
        """Ours minus the published one, in its unit."""
        if self.ours is None or self.ours.value is None:
            return None
        return self.ours.value - self.published.value


def compare(
    figures: Sequence[PublishedFigure], places: Sequence[Place | None], boards: Iterable[Board]
) -> list[Comparison]:
    """Each published figure beside ours."""
    by_key = {board.key: board for board in boards}
    compared = []
    for figure, place in zip(figures, places, strict=True):
        board = None if place is None else by_key.get(place.board)
        if place is None or board is None:
            compared.append(Comparison(figure, place, None, "not run"))
            continue
        found, status = _measured(figure.metric, place, board)
        compared.append(Comparison(figure, place, _scaled(found, figure.factor), status))
    return compared


def _measured(metric: str, place: Place, board: Board) -> tuple[Figure | None, str]:
    """Our figure, and what became of its cell."""
    cells = [
        row
        for row in board.cells
        if row.pairing.defense == place.defense
        and place.attack in {None, row.pairing.attack}
        and place.game in {None, row.pairing.game}
    ]
    if all(row.status != "ok" for row in cells):
        row = next((row for row in cells if row.status == "failed"), cells[0])
        return None, f"{row.status.replace('-', ' ')}: {row.reason}"
    if place.attack is None:
        defense = next(row for row in board.defenses if row.defense == place.defense)
        figures = {**defense.release, **defense.utility}
    else:
        figures = cells[0].figures
    if metric not in figures:
        return None, f"no figure {metric}; there are: {', '.join(sorted(figures))}"
    if figures[metric].value is None:
        return None, figures[metric].note or "no value"
    return figures[metric], "ok"


def _scaled(figure: Figure | None, factor: float) -> Figure | None:
    if figure is None or factor == 1:
        return figure
    values = {
        name: value * factor
        for name in ("value", "low", "high")
        if (value := getattr(figure, name)) is not None
    }
    return figure.model_copy(update=values)
