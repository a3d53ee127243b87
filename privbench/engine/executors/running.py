"""Running an attack on a view, wherever that is: seeds, and its failures in words."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import torch

from privbench.core.attack import Attack
from privbench.core.errors import PrivbenchError
from privbench.core.game import Challenge
from privbench.core.port import Port
from privbench.core.printable import one_line
from privbench.core.records import LONGEST_REASON
from privbench.core.view import AdversaryView
from privbench.core.warned import heard
from privbench.engine.trace import described, text_of, trace_of

CURVES, POINTS, NAME = 64, 2000, 100
"""How many curves a log may hold, of how many points and under names of how many characters."""


def run_attack(
    attack: Attack, challenge: Challenge, fields: dict[str, Any], port: Port
) -> tuple[object, dict[str, list[float]], tuple[str, ...]]:
    """The attack's guess, its log, and what libraries warned of.

    Global generators are seeded by the adversary's own seed.
    """
    view = AdversaryView(**fields, port=port)
    seed = view.seed("global")
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    with heard() as warned:
        guess = attack.guess(view, challenge)
    return guess, clean_log(view.log), warned.texts()


def clean_log(log: object) -> dict[str, list[float]]:
    """An attack's log as finite numbers under texts.

    A curve of more than 2,000 points keeps every second of them, every third and so on, and its last.

    Raises:
        PrivbenchError: it holds something else, or more than 64 curves.
    """
    if not isinstance(log, dict):
        raise PrivbenchError(f"the attack's log is a {type(log).__name__}; expected lists of numbers by name")
    if len(log) > CURVES:
        raise PrivbenchError(f"the attack's log holds {len(log):,} curves; at most {CURVES} are recorded")
    cleaned: dict[str, list[float]] = {}
    for given, values in log.items():
        name = one_line(str(given), NAME)
        try:
            curve = [float(value) for value in values]
        except (TypeError, ValueError, OverflowError) as error:
            raise PrivbenchError(f"the attack's log {name!r} is no list of numbers") from error
        if not all(map(math.isfinite, curve)):
            raise PrivbenchError(f"the attack's log {name!r} holds NaN or infinite values")
        cleaned[name] = curve[:: -(-len(curve) // POINTS) or 1]
        if curve and cleaned[name][-1] != curve[-1]:
            cleaned[name] = [*cleaned[name][: POINTS - 1], curve[-1]]
    return cleaned


def failure(error: BaseException, attack: Attack) -> tuple[str, tuple[str, ...]]:
    """What ``error`` was, in a sentence, and where in the code."""
    places, place = trace_of(error, (attack,))
    text = text_of(error) if isinstance(error, PrivbenchError) else f"{described(error)} ({place})"
    return one_line(text, LONGEST_REASON), tuple(one_line(place, NAME * 2) for place in places)
