"""A board: everything that tables, leaderboards and plots show of comparable results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from privbench.core.controls import CONTROLS, NULL
from privbench.core.file_names import slug
from privbench.core.hashing import text_hash
from privbench.core.records import Record, content_hash
from privbench.rating.cell_rows import CellRow, cell_row
from privbench.rating.cells import Cells
from privbench.rating.certification import Certificate, certify
from privbench.rating.defense_rows import DefenseRow, defense_row
from privbench.rating.grouping import BoardKey, by_board
from privbench.rating.metric_lookup import metric_order
from privbench.rating.ranking import marks, rank_order, ranks
from privbench.rating.remarks import remarks
from privbench.rating.scales import MetricScale, metric_scales
from privbench.rating.verdict import resolution, verdicts
from privbench.rating.worst_case import rate
from privbench.store.results import Result


@dataclass(frozen=True)
class Board:
    """Comparable results, rated."""

    key: BoardKey
    slug: str
    games: tuple[str, ...]
    defenses: tuple[DefenseRow, ...]
    cells: tuple[CellRow, ...]
    certificates: tuple[Certificate, ...]
    records: tuple[Record, ...]
    metrics: Mapping[str, tuple[str, ...]]
    scales: Mapping[str, tuple[MetricScale, ...]]

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds of the board."""
        return tuple(sorted({r.cell.seed for r in self.records}))

    @property
    def has_controls(self) -> bool:
        """Whether the controls were run, without which nothing is certified."""
        return {row.defense for row in self.defenses} >= set(CONTROLS)

    @property
    def utility_metric(self) -> str:
        """The figure of utility that is shown; ``utility`` where none was measured."""
        return next((row.utility_metric for row in self.defenses if row.utility_metric), "utility")

    def resolution(self, game: str | None = None) -> float | None:
        """Leakage in ``game`` (over all games) below this cannot be told from none, None if unknown."""
        row = next((row for row in self.defenses if row.defense == NULL), None)
        return None if row is None else resolution(row.overall if game is None else row.games.get(game))

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the content of all records, 16 hexadecimal digits.

        It holds what must repeat when the cells are run again, and not what they took and where.
        """
        return text_hash("\n".join(sorted(map(content_hash, self.records))), 16)

    @property
    def remarks(self) -> list[str]:
        """What a reader must know of the records: what they mix, and what is missing."""
        return remarks(self.records)


def make_boards(results: Iterable[Result]) -> list[Board]:
    """One board for each dataset, model, scale and protocol version, in order.

    Raises:
        DataError: results contradict each other.
    """
    groups = by_board(results)
    same_dataset = Counter(key.dataset for key in groups)
    return [
        _board(key, slug(key.dataset) if same_dataset[key.dataset] == 1 else key.file_name("--"), found)
        for key, found in groups.items()
    ]


def _board(key: BoardKey, name: str, results: Sequence[Result]) -> Board:
    cells = Cells(results)
    games = cells.games()
    certificates = [c for game in games for c in certify(cells, game)]
    ratings, worst = verdicts(
        {d: {g: rate(cells, d, g, certificates) for g in games} for d in cells.defenses()}
    )
    rows = [defense_row(cells, d, worst[d], ratings[d], key.scale) for d in cells.defenses()]
    least = resolution(worst.get(NULL))
    marked = {row.defense: marks(row.overall, row.relative_utility, least) for row in rows}
    places = ranks(worst, marked)
    defenses = [replace(r, rank=places.get(r.defense), marks=marked[r.defense]) for r in rows]
    defenses.sort(key=lambda row: rank_order(row.defense, row.overall, row.marks))
    order = {row.defense: place for place, row in enumerate(defenses)}
    pairings = sorted(cells.pairings, key=lambda p: (p.game, order[p.defense], p.attack))
    metrics = {game: tuple(_all_metrics(cells, game)) for game in games}
    return Board(
        key=key,
        slug=name,
        games=tuple(games),
        defenses=tuple(defenses),
        cells=tuple(cell_row(cells, p, certificates) for p in pairings),
        certificates=tuple(certificates),
        records=tuple(r.record for r in results),
        metrics=metrics,
        scales={game: tuple(metric_scales(cells, game, certificates)) for game in games},
    )


def _all_metrics(cells: Cells, game: str) -> list[str]:
    named = {
        m
        for pairing, by_seed in cells.pairings.items()
        if pairing.game == game
        for r in by_seed.values()
        for m in r.record.figures
    }
    return sorted(named, key=metric_order)
