"""Sanity flags: remarks on a record that a reader should see before trusting it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from privbench.core.curves import still_falling
from privbench.core.metric import Metric
from privbench.core.records import STILL_IMPROVING, Figure

METRIC_FAILED = "failed"
"""How the note of a figure begins whose metric raised something."""

_CHANCE = {"auc": 0.5, "balanced-accuracy": 0.5}


def flags_of(
    metrics: Sequence[Metric],
    figures: Mapping[str, Figure],
    guess: torch.Tensor,
    log: Mapping[str, Sequence[float]],
    *,
    floor: bool,
) -> tuple[str, ...]:
    """The flags of one cell.

    ``below-chance``: the whole interval is on the wrong side of chance. ``still-improving``: the attack
    spent its budget while it was still getting better. An attack that looks at held-out data says so
    itself, by 0 or 1 as the last of its curve ``stopped`` (``stopped-x`` for its curve ``loss-x``); of
    others the last fifth of a ``loss`` curve must bring no more than 2% of all that it fell.
    ``constant-guess``: every sample got the same answer (the floor attack is meant to).
    ``unresolved``: a figure was not quoted because the sample is too small.
    ``metric-failed``: a metric raised something; its figure's note says what.
    """
    flags: list[str] = []
    for name, chance in _CHANCE.items():
        high = figures[name].high if name in figures else None
        if high is not None and high < chance:
            flags.append(f"below-chance: {name}")
    if not floor and len(guess) > 1 and bool((guess == guess[:1]).all()):
        flags.append("constant-guess")
    for name, loss in log.items():
        if not name.startswith("loss"):
            continue
        said = log.get(f"stopped{name.removeprefix('loss')}")
        if (not said[-1]) if said else still_falling(loss):
            flags.append(f"{STILL_IMPROVING}: {name}")
    unresolved = [m.selector for m in metrics if (f := figures.get(m.selector)) and f.value is None and f.n]
    flags += [f"unresolved: {name}" for name in unresolved]
    failed = [name for name, figure in figures.items() if figure.note.startswith(f"{METRIC_FAILED}: ")]
    flags += [f"metric-failed: {name}" for name in failed]
    return tuple(flags)
