"""A row for each defense: privacy, utility, guarantee and cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from privbench.core.controls import CONTROLS
from privbench.core.records import Figure, Record
from privbench.rating.basis import Basis, basis_of
from privbench.rating.cells import Cells
from privbench.rating.combine import combine
from privbench.rating.metric_lookup import is_headline
from privbench.rating.rating import Rating


@dataclass(frozen=True)
class DefenseRow:
    """A defense on one line: privacy, utility, guarantee and cost.

    Attributes:
        rank: None for controls, for what is not rated and for passes with ``marks``.
        basis: what the verdict rests on.
        marks: why a pass does not lead: ``no utility``, ``below resolution``.
        relative_utility: ``clip(MCC / plain MCC, 0, 1)``: the share that is left of what the model knows
            beyond guessing. With even classes and errors it is (accuracy - 1/K) / (plain accuracy - 1/K);
            unlike that, it is 0 for a constant answer however uneven the classes. None where the plain
            model's own MCC is not above 0 with 95% confidence: nothing to keep.
        fit_slowdown, inference_slowdown: times the undefended model's, None if unknown.
        inference_microseconds: for an image, None if unknown.
        attack_seconds: wall time of all attacks, on average over seeds.
    """

    defense: str
    control: bool
    rank: int | None
    overall: Rating
    basis: Basis
    games: dict[str, Rating]
    utility: dict[str, Figure]
    plain_utility: dict[str, Figure]
    relative_utility: float | None
    release: dict[str, Figure]
    guarantee: dict[str, float | str]
    fit_slowdown: float | None
    inference_slowdown: float | None
    inference_microseconds: float | None
    attack_seconds: float
    marks: tuple[str, ...] = ()

    @property
    def utility_metric(self) -> str:
        """The first figure to show: the headline's if there is one, else ``accuracy``, else any."""
        names = sorted(self.utility, key=lambda m: (not is_headline(m), m != "accuracy", m))
        return names[0] if names else ""


def defense_row(
    cells: Cells, defense: str, worst: Rating, games: dict[str, Rating], scale: str
) -> DefenseRow:
    """The row of ``defense``, without rank and marks, which depend on the others."""
    every = [
        r.record
        for pairing, by_seed in sorted(cells.pairings.items())
        if pairing.defense == defense
        for r in by_seed.values()
    ]
    records = [record for record in every if record.status == "ok"]
    by_seed = {
        seed: [r for r in records if r.cell.seed == seed] for seed in sorted({r.cell.seed for r in records})
    }
    utility = {m: combine(m, f) for m, f in _per_seed(by_seed, "utility").items()}
    plain = {m: combine(m, f) for m, f in _per_seed(by_seed, "plain_utility").items()}
    return DefenseRow(
        defense=defense,
        control=defense in CONTROLS,
        rank=None,
        overall=worst,
        basis=basis_of(every, defense, scale, games, worst),
        games=games,
        utility=utility,
        plain_utility=plain,
        relative_utility=_relative(utility.get("mcc"), plain.get("mcc")),
        release={m: combine(m, f) for m, f in _per_seed(by_seed, "release").items()},
        guarantee=_guarantee(records),
        fit_slowdown=_ratio((r.cost.fit_seconds, r.cost.plain_fit_seconds) for r in records),
        inference_slowdown=_ratio(
            (r.cost.plain_inference_images_per_second, r.cost.inference_images_per_second) for r in records
        ),
        inference_microseconds=_ratio((1e6, r.cost.inference_images_per_second) for r in records),
        attack_seconds=fmean([sum(r.cost.attack_seconds for r in rs) for rs in by_seed.values()] or [0.0]),
    )


def _per_seed(by_seed: Mapping[int, Sequence[Record]], part: str) -> dict[str, list[Figure]]:
    """The figures of a deployment, one for each seed: every cell of a seed repeats them."""
    found: dict[str, list[Figure]] = {}
    for records in by_seed.values():
        merged: dict[str, Figure] = {}
        for record in records:
            for name, figure in getattr(record, part).items():
                merged.setdefault(name, figure)
        for name, figure in merged.items():
            found.setdefault(name, []).append(figure)
    return dict(sorted(found.items()))


def _relative(mcc: Figure | None, plain: Figure | None) -> float | None:
    if mcc is None or plain is None or mcc.value is None or plain.value is None:
        return None
    least = plain.value if plain.low is None else plain.low
    return min(1.0, max(0.0, mcc.value / plain.value)) if least > 0 else None


def _guarantee(records: Sequence[Record]) -> dict[str, float | str]:
    """The guarantee of the seed with the largest epsilon: the weakest one given."""
    given = [r.guarantee for r in records if r.guarantee]
    if not given:
        return {}
    return max(given, key=lambda g: (_float(g.get("epsilon")), str(sorted(g.items()))))


def _float(value: float | str | None) -> float:
    # JSON has no infinity, so that a record writes an infinite budget as text.
    try:
        return -math.inf if value is None else float(value)
    except ValueError:
        return -math.inf


def _ratio(pairs: Iterable[tuple[float, float]]) -> float | None:
    ratios = [a / b for a, b in pairs if a > 0 and b > 0]
    return median(ratios) if ratios else None
