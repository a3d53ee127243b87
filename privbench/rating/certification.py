"""Certification: an attack rates only where it wins on ``none`` and is at chance on ``blackout``.

And only where it got as far as it gets: one that was still improving on a control when its budget was spent
says how much it was given, not what there is to win. On another defense such a result is a lower bound of
what leaks: it counts, is not called certified, and the defense's row says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from privbench.core.controls import BREAK, CONTROLS, FLOOR, NULL, is_floor
from privbench.core.records import STILL_IMPROVING
from privbench.rating.cells import Cells, Pairing
from privbench.rating.leakage import ZERO, best, blinds, oriented, shared_seeds
from privbench.rating.metric_lookup import find_metric
from privbench.stats.between_seeds import widened
from privbench.stats.bootstrap import lower_bound

UNFINISHED = "was still improving when its budget was spent"


@dataclass(frozen=True)
class Certificate:
    """Whether an attack may rate defenses by a metric.

    Attributes:
        certified: it wins where it must, is at chance where it must, and was still improving on neither.
        reason: why it is not certified; empty if it is.
        win: one-sided 95% lower bound of its score above the floor on ``none``.
        null: one-sided lower bound of its score above the floor on ``blackout``, at a level that keeps
            the chance of refusing any of the game's attacks wrongly at 1% (Bonferroni).
        seeds: the seeds that all four control cells share.
    """

    game: str
    attack: str
    metric: str
    certified: bool
    reason: str = ""
    win: float | None = None
    null: float | None = None
    seeds: tuple[int, ...] = ()


def rating_metrics(cells: Cells, game: str) -> list[str]:
    """The metrics with values in ``game`` that take part in rating."""
    return [m for m in cells.metrics(game) if (found := find_metric(m)) is not None and found.rates]


def certify(cells: Cells, game: str) -> list[Certificate]:
    """A certificate for every attack of ``game`` but ``blind`` and every metric that rates."""
    attacks = [a for a in cells.attacks(game) if not is_floor(a)]
    pairs = [(a, m) for a in attacks for m in rating_metrics(cells, game)]
    return [_certify(cells, game, a, m, 1 - 0.01 / len(pairs)) for a, m in pairs]


def _certify(cells: Cells, game: str, attack: str, metric: str, null_level: float) -> Certificate:
    for control in CONTROLS:
        floors = blinds(cells, game, control)
        if not shared_seeds(cells, metric, [Pairing(game, control, f) for f in floors]):
            return Certificate(game, attack, metric, False, f"no result of {FLOOR} on {control}")
        if not cells.scored(Pairing(game, control, attack), metric):
            return Certificate(game, attack, metric, False, _absent(cells, Pairing(game, control, attack)))
    needed = [
        Pairing(game, control, name)
        for control in CONTROLS
        for name in (attack, *blinds(cells, game, control))
    ]
    seeds = shared_seeds(cells, metric, needed)
    if not seeds:
        return Certificate(game, attack, metric, False, "no seed is shared by the control cells")

    def above_floor(control: str, level: float, *, normal: bool) -> float:
        floor = best(cells, game, control, blinds(cells, game, control), metric, seeds)
        gain = oriented(cells, Pairing(game, control, attack), metric, seeds) - floor
        return lower_bound(widened(gain, game, seeds, normal=normal), level)

    # Student's t has no power at the null's level: with two or three seeds it would refuse nothing.
    win, null = above_floor(BREAK, 0.95, normal=False), above_floor(NULL, null_level, normal=True)
    reason = ""
    if win <= ZERO:
        reason = f"does not beat {FLOOR} on {BREAK}"
    elif null > ZERO:
        reason = f"beats {FLOOR} on {NULL}, where there is nothing to find"
    elif early := [c for c in CONTROLS if still_improving(cells, Pairing(game, c, attack))]:
        reason = f"{UNFINISHED} on {', '.join(early)}: give it more"
    return Certificate(game, attack, metric, not reason, reason, win, null, tuple(seeds))


def still_improving(cells: Cells, pairing: Pairing) -> bool:
    """Whether an attack, by its own flag, was still improving when its budget was spent, for any seed."""
    return unfinished(flag for r in cells.pairings.get(pairing, {}).values() for flag in r.record.flags)


def unfinished(flags: Iterable[str]) -> bool:
    """Whether one of a cell's ``flags`` says that the attack was still improving."""
    return any(flag.startswith(STILL_IMPROVING) for flag in flags)


def _absent(cells: Cells, pairing: Pairing) -> str:
    results = cells.pairings.get(pairing, {})
    if any(r.record.status == "not-applicable" for r in results.values()):
        return f"does not apply to {pairing.defense}"
    if any(r.record.status == "failed" for r in results.values()):
        return f"failed on {pairing.defense}"
    return f"no result on {pairing.defense}"
