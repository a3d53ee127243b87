"""A board: everything that tables, leaderboards and plots show of comparable results."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from privbench.core.records import Record
from privbench.core.threat import Game
from privbench.report.cell_rows import CellRow, cell_row
from privbench.report.cells import NULL, Cells, metric_order
from privbench.report.certification import Certificate, certify
from privbench.report.defense_rows import DefenseRow, defense_row
from privbench.report.grouping import BoardKey, by_board
from privbench.report.ranking import rank_order, ranks
from privbench.report.scales import Scale, scales
from privbench.report.text import slug
from privbench.report.verdict import resolution, verdicts
from privbench.report.worst_case import rate
from privbench.runner.results import Result


@dataclass(frozen=True)
class Board:
    """Comparable results, rated."""

    key: BoardKey
    slug: str
    games: tuple[Game, ...]
    defenses: tuple[DefenseRow, ...]
    cells: tuple[CellRow, ...]
    certificates: tuple[Certificate, ...]
    records: tuple[Record, ...]
    metrics: Mapping[Game, tuple[str, ...]]
    scales: Mapping[Game, tuple[Scale, ...]]

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds of the board."""
        return tuple(sorted({r.cell.seed for r in self.records}))

    @property
    def utility_metric(self) -> str:
        """The figure of utility that is shown; ``utility`` where none was measured."""
        return next((row.utility_metric for row in self.defenses if row.utility_metric), "utility")

    def resolution(self, game: Game | None = None) -> float | None:
        """Leakage in ``game`` (over all games) below this cannot be told from none, None if unknown."""
        row = next((row for row in self.defenses if row.defense == NULL), None)
        return None if row is None else resolution(row.overall if game is None else row.games.get(game))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the keys of all records, 16 hexadecimal digits."""
        return hashlib.sha256("\n".join(sorted(r.key for r in self.records)).encode()).hexdigest()[:16]


def make_boards(results: Iterable[Result]) -> list[Board]:
    """One board for each dataset, model, scale and protocol version, in order.

    Raises:
        DataError: results contradict each other.
    """
    groups = by_board(results)
    same_dataset = Counter(key.dataset for key in groups)
    return [
        _board(key, slug(key.dataset) if same_dataset[key.dataset] == 1 else _long_slug(key), found)
        for key, found in groups.items()
    ]


def _long_slug(key: BoardKey) -> str:
    return f"{slug(key.dataset)}--{slug(key.model)}--{key.scale}--p{key.protocol}"


def _board(key: BoardKey, name: str, results: Sequence[Result]) -> Board:
    cells = Cells(results)
    games = cells.games()
    certificates = [c for game in games for c in certify(cells, game)]
    ratings, worst = verdicts(
        {d: {g: rate(cells, d, g, certificates) for g in games} for d in cells.defenses()}
    )
    places = ranks(worst)
    defenses = [defense_row(cells, d, worst[d], ratings[d], places.get(d)) for d in cells.defenses()]
    defenses.sort(key=lambda row: rank_order(row.defense, row.overall))
    order = {row.defense: place for place, row in enumerate(defenses)}
    tried = sorted(cells.tried, key=lambda t: (games.index(t.game), order[t.defense], t.attack))
    metrics = {game: tuple(_all_metrics(cells, game)) for game in games}
    return Board(
        key=key,
        slug=name,
        games=tuple(games),
        defenses=tuple(defenses),
        cells=tuple(cell_row(cells, t, certificates) for t in tried),
        certificates=tuple(certificates),
        records=tuple(r.record for r in results),
        metrics=metrics,
        scales={game: tuple(scales(cells, game, certificates)) for game in games},
    )


def _all_metrics(cells: Cells, game: Game) -> list[str]:
    named = {
        m
        for t, by_seed in cells.tried.items()
        if t.game == game
        for r in by_seed.values()
        for m in r.record.figures
    }
    return sorted(named, key=metric_order)
