"""A row for each attack on a defense in a game: figures, leakage, flags, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean

from privbench.core.controls import BREAK
from privbench.core.records import Figure, Record
from privbench.core.seeds import seed_list
from privbench.rating.cells import Cells, Pairing
from privbench.rating.certification import Certificate, rating_metrics
from privbench.rating.combine import clipped, combine, has_exact_bounds
from privbench.rating.leakage import (
    blinds,
    floor_and_ceiling,
    greatest,
    leakage_draws,
    oriented,
    shared_seeds,
)
from privbench.stats.between_seeds import widened
from privbench.stats.bootstrap import Interval, interval


@dataclass(frozen=True)
class CellRow:
    """An attack on a defense in a game, over its seeds.

    Attributes:
        status: ``ok`` if any seed has a result, else ``failed`` or ``not-applicable``.
        reason: why seeds have no result; empty if all have one.
        figures: every metric, averaged over seeds.
        leakage: the metrics that rate, where floor and ceiling are known.
        queries: images sent to oracles, on average over seeds.
        seconds: wall time of the attack, on average over seeds.
    """

    pairing: Pairing
    status: str
    reason: str
    seeds: tuple[int, ...]
    figures: dict[str, Figure] = field(default_factory=dict)
    leakage: dict[str, Interval] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    queries: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def worst(self) -> tuple[str, Interval] | None:
        """The metric with the greatest leakage, and that leakage."""
        if not self.leakage:
            return None
        name = greatest({metric: leak.value for metric, leak in self.leakage.items()})
        return name, self.leakage[name]


def cell_row(cells: Cells, pairing: Pairing, certificates: Sequence[Certificate]) -> CellRow:
    """The row of ``pairing``, averaged over the seeds that have a result."""
    results = cells.pairings[pairing]
    done = [results[s].record for s in sorted(results) if results[s].record.status == "ok"]
    undone = [results[s].record for s in sorted(results) if results[s].record.status != "ok"]
    reason = "; ".join(dict.fromkeys(r.reason for r in undone))
    if not done:
        statuses = {r.status for r in undone}
        return CellRow(pairing, "failed" if "failed" in statuses else "not-applicable", reason, ())
    if undone:
        reason = f"seeds {seed_list(r.cell.seed for r in undone)}: {reason}"
    names = sorted({m for r in done for m in r.figures})
    oracles = sorted({o for r in done for o in r.queries})
    leaks = {
        m: leak
        for m in rating_metrics(cells, pairing.game)
        if (leak := _leak(cells, pairing, m, certificates))
    }
    return CellRow(
        pairing=pairing,
        status="ok",
        reason=reason,
        seeds=tuple(r.cell.seed for r in done),
        figures={m: _figure(cells, pairing, m, done) for m in names},
        leakage=leaks,
        flags=tuple(sorted({flag for r in done for flag in r.flags})),
        queries={o: fmean(r.queries.get(o, 0) for r in done) for o in oracles},
        seconds=fmean(r.cost.attack_seconds for r in done),
    )


def _leak(
    cells: Cells, pairing: Pairing, metric: str, certificates: Sequence[Certificate]
) -> Interval | None:
    game, defense, _ = pairing
    family = [c.attack for c in certificates if c.certified and c.game == game and c.metric == metric]
    floors = [Pairing(game, defense, blind) for blind in blinds(cells, game, defense)]
    if not family or not floors:
        return None
    seeds = shared_seeds(cells, metric, [pairing, *floors, *(Pairing(game, BREAK, a) for a in family)])
    if not seeds:
        return None
    floor, ceiling = floor_and_ceiling(cells, game, defense, metric, family, seeds)
    score = oriented(cells, pairing, metric, seeds)
    return interval(leakage_draws(score, floor, ceiling, game, seeds))


def _figure(cells: Cells, pairing: Pairing, name: str, records: Sequence[Record]) -> Figure:
    """The mean over seeds; its interval is of the bootstrap, and at least as wide as exact ones."""
    figures = [r.figures[name] for r in records if name in r.figures]
    known = [f for f in figures if f.value is not None]
    note = "; ".join(dict.fromkeys(f.note for f in figures if f.note))
    if not known:
        return Figure(value=None, n=sum(f.n for f in figures), note=note)
    count = sum(f.n for f in known)
    seeds = sorted(cells.scored(pairing, name) & {r.cell.seed for r in records})
    if len(known) == 1 or not seeds:
        return combine(name, known).model_copy(update={"n": count, "note": note})
    found = interval(widened(cells.average(pairing, name, seeds, capped=False), pairing.game, seeds))
    low, high = found.low, found.high
    if has_exact_bounds(name):
        exact = combine(name, known)
        low = low if exact.low is None else min(low, exact.low)
        high = high if exact.high is None else max(high, exact.high)
    return clipped(name, Figure(value=found.value, low=low, high=high, n=count, note=note))
