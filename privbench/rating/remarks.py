"""What a reader must know of a board's records: what they mix, and what is missing among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from privbench.core.errors import counted
from privbench.core.records import Record
from privbench.core.seeds import seed_list

_PARTS = ("defense", "attack", "game", "model", "task", "dataset")
_SHOWN = 12


def remarks(records: Sequence[Record]) -> list[str]:
    """Sentences, none where all comes from one state of the code on one kind of machine and is whole."""
    return [*_mixed_code(records), *_mixed_metrics(records), *_mixed_versions(records), *_holes(records)]


def mixed_defenses(records: Iterable[Record]) -> frozenset[str]:
    """The defenses of whose code there is more than one version among ``records``."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        if code := record.provenance.hashes.get("defense_code"):
            found[record.cell.defense].add(code)
    return frozenset(name for name, codes in found.items() if len(codes) > 1)


def _mixed_code(records: Sequence[Record]) -> Iterator[str]:
    codes: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        for part in _PARTS:
            if code := record.provenance.hashes.get(f"{part}_code"):
                codes[part, getattr(record.cell, part)].add(code)
    mixed = [
        f"the {part} {name} ({len(found)} versions)"
        for (part, name), found in codes.items()
        if len(found) > 1
    ]
    if mixed:
        yield f"mixed code: records were made with different versions of {_listed(sorted(mixed))}"


def _mixed_metrics(records: Sequence[Record]) -> Iterator[str]:
    codes: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, code in record.scored.items():
            codes[name].add(code)
    if mixed := sorted(name for name, found in codes.items() if len(found) > 1):
        yield f"mixed code: records were scored by different versions of {_listed(mixed)}"


def _mixed_versions(records: Sequence[Record]) -> Iterator[str]:
    versions: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for name, version in record.provenance.versions.items():
            versions[name].add(version)
    if mixed := [f"{name} {', '.join(sorted(v))}" for name, v in sorted(versions.items()) if len(v) > 1]:
        yield f"mixed versions: records were made with {_listed(mixed, '; ')}"
    sets = sorted({record.provenance.instructions for record in records} - {""})
    if len(sets) > 1:
        yield (
            f"mixed instruction sets: records were made with {', '.join(sets)}, under which the same seeds "
            "give other weights"
        )


def _holes(records: Sequence[Record]) -> Iterator[str]:
    """The cells that no record is about, though their defense, attack and seed stand on the board."""
    there = {(r.cell.game, r.cell.defense, r.cell.attack, r.cell.seed) for r in records}
    seeds = sorted({seed for _, _, _, seed in there})
    attacks, defenses = sorted({(g, a) for g, _, a, _ in there}), sorted({d for _, d, _, _ in there})
    missing = {
        (game, defense, attack): gone
        for defense in defenses
        for game, attack in attacks
        if (gone := [seed for seed in seeds if (game, defense, attack, seed) not in there])
    }
    if missing:
        count = sum(map(len, missing.values()))
        told = [f"{a} on {d} in {g}, seed {seed_list(gone)}" for (g, d, a), gone in missing.items()]
        yield (
            f"no record of {counted(count, 'cell')} of {count + len(there)} (not run, or removed): "
            f"{_listed(told, '; ')}"
        )


def _listed(texts: Sequence[str], between: str = ", ") -> str:
    more = f"{between}and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return between.join(texts[:_SHOWN]) + more
