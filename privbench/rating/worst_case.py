"""The worst case: how much the strongest certified attack gets out of a defense."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch

from privbench.core.controls import BREAK, FLOOR, is_floor
from privbench.core.seeds import seed_list
from privbench.rating.cells import Cells, Pairing
from privbench.rating.certification import UNFINISHED, Certificate, still_improving
from privbench.rating.leakage import (
    ZERO,
    blinds,
    floor_and_ceiling,
    greatest,
    leakage_draws,
    oriented,
    shared_seeds,
)
from privbench.rating.rating import BROKEN_ABOVE, Rating, RatingStatus
from privbench.stats.between_seeds import widened
from privbench.stats.bootstrap import interval, lower_bound


def rate(cells: Cells, defense: str, game: str, certificates: Iterable[Certificate]) -> Rating:
    """The worst case of ``defense`` in ``game`` over certified attacks and metrics."""
    attacks = cells.attacks(game, defense)
    results = {a: cells.pairings[Pairing(game, defense, a)] for a in attacks}
    statuses = {a: {r.record.status for r in by_seed.values()} for a, by_seed in results.items()}
    if not attacks:
        return Rating("NOT RUN", f"the {game} game was not run")
    if all(s == {"not-applicable"} for s in statuses.values()):
        why = "; ".join(sorted({r.record.reason for by_seed in results.values() for r in by_seed.values()}))
        exposed = not any(is_floor(a) for a in attacks)
        return (
            Rating("UNRATED", f"no attack that was run applies: {why}")
            if exposed
            else Rating("NOT EXPOSED", why)
        )
    failed = tuple(f"{a} failed in the {game} game" for a in attacks if "failed" in statuses[a])
    if game in cells.too_few and not any(cells.metrics(game)):
        return Rating("UNRATED", cells.too_few[game], notes=failed)
    if not any(cells.finished(Pairing(game, defense, b)) for b in blinds(cells, game, defense)):
        return Rating("UNRATED", f"no result of {FLOOR} on this defense", notes=failed)
    mine = [c for c in certificates if c.game == game]
    certified = [c for c in mine if c.certified]
    usable = [c for c in certified if cells.scored(Pairing(game, defense, c.attack), c.metric)]
    early = sorted({c.attack for c in usable if still_improving(cells, Pairing(game, defense, c.attack))})
    failed += tuple(f"{game}: {attack} {UNFINISHED}: at least this leaks" for attack in early)
    if not usable:
        return Rating("UNRATED", _why_none(mine, certified, attacks), notes=failed)
    return _worst(cells, defense, game, certified, usable, failed)


def _why_none(mine: Sequence[Certificate], certified: Sequence[Certificate], attacks: Sequence[str]) -> str:
    if certified:
        return "no certified attack applies"
    reasons = sorted({c.reason for c in mine if c.attack in attacks})
    return f"no attack is certified: {'; '.join(reasons)}" if reasons else f"only {FLOOR} was run"


def _worst(
    cells: Cells,
    defense: str,
    game: str,
    certified: Sequence[Certificate],
    usable: Sequence[Certificate],
    notes: tuple[str, ...],
) -> Rating:
    family = {c.metric: [d.attack for d in certified if d.metric == c.metric] for c in usable}
    needed = {
        m: [
            *(Pairing(game, defense, b) for b in blinds(cells, game, defense)),
            *(Pairing(game, BREAK, a) for a in attacks),
            *(Pairing(game, defense, c.attack) for c in usable if c.metric == m),
        ]
        for m, attacks in family.items()
    }
    shared = sorted(
        set.intersection(*(set(shared_seeds(cells, m, pairings)) for m, pairings in needed.items()))
    )
    every = {
        s for p, by_seed in cells.pairings.items() if p.game == game and p.defense == defense for s in by_seed
    }
    if not shared:
        return Rating("UNRATED", "no seed is shared by all cells that the rating needs", notes=notes)
    if left := sorted(every - set(shared)):
        why = "left out, as not all needed cells have a result for them"
        notes = (*notes, f"{game}: seeds {seed_list(left)} {why}")
    missing = sorted({c.attack for c in certified if Pairing(game, defense, c.attack) not in cells.pairings})
    if missing:
        notes = (*notes, f"{game}: {', '.join(missing)} certified, but not run on this defense")
    found: dict[tuple[str, str], torch.Tensor] = {}
    for metric, attacks in family.items():
        floor, ceiling = floor_and_ceiling(cells, game, defense, metric, attacks, shared)
        if lower_bound(widened(ceiling - floor, game, shared), 0.95) <= ZERO:
            notes = (*notes, f"{game}: {metric} left out, its ceiling on {BREAK} is not above the floor")
            continue
        for certificate in usable:
            if certificate.metric == metric:
                score = oriented(cells, Pairing(game, defense, certificate.attack), metric, shared)
                found[certificate.attack, metric] = leakage_draws(score, floor, ceiling, game, shared)
    if not found:
        return Rating("UNRATED", "the ceiling is not above the floor", notes=notes)
    attack, metric = greatest({name: float(values[0]) for name, values in found.items()})
    draws = torch.stack(list(found.values())).amax(dim=0)
    return _rated(draws, game, attack, metric, tuple(shared), notes)


def overall(ratings: Mapping[str, Rating]) -> Rating:
    """The worst over the games that were rated, the maximum again inside each replicate."""
    rated = {game: r.draws for game, r in ratings.items() if r.draws is not None}
    notes = tuple(dict.fromkeys(n for r in ratings.values() for n in r.notes))
    if not rated:
        reasons = "; ".join(dict.fromkeys(f"{game}: {r.reason}" for game, r in ratings.items()))
        return Rating("UNRATED", reasons, notes=notes)
    draws = torch.stack(list(rated.values())).amax(dim=0)
    worst = ratings[greatest({game: float(values[0]) for game, values in rated.items()})]
    seeds = tuple(sorted({s for game in rated for s in ratings[game].seeds}))
    return _rated(draws, worst.game, worst.attack, worst.metric, seeds, notes)


def _rated(
    draws: torch.Tensor,
    game: str | None,
    attack: str,
    metric: str,
    seeds: tuple[int, ...],
    notes: tuple[str, ...],
) -> Rating:
    found = interval(draws)
    status: RatingStatus = "BROKEN" if found.bound > BROKEN_ABOVE else "RATED"
    return Rating(status, "", found, game, attack, metric, seeds, notes, draws)
