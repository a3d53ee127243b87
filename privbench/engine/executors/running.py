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
from privbench.core.view import AdversaryView
from privbench.engine.trace import trace_of


def run_attack(
    attack: Attack, challenge: Challenge, fields: dict[str, Any], port: Port
) -> tuple[object, dict[str, list[float]]]:
    """The attack's guess and log; global generators are seeded by the adversary's own seed."""
    view = AdversaryView(**fields, port=port)
    seed = view.seed("global")
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    guess = attack.guess(view, challenge)
    return guess, clean_log(view.log)


def clean_log(log: object) -> dict[str, list[float]]:
    """An attack's log as finite numbers under texts.

    Raises:
        PrivbenchError: it holds something else.
    """
    if not isinstance(log, dict):
        raise PrivbenchError(f"the attack's log is a {type(log).__name__}; expected lists of numbers by name")
    cleaned: dict[str, list[float]] = {}
    for name, values in log.items():
        try:
            cleaned[str(name)] = [float(value) for value in values]
        except (TypeError, ValueError) as error:
            raise PrivbenchError(f"the attack's log {str(name)!r} is no list of numbers") from error
        if not all(map(math.isfinite, cleaned[str(name)])):
            raise PrivbenchError(f"the attack's log {str(name)!r} holds NaN or infinite values")
    return cleaned


def failure(error: BaseException, attack: Attack) -> tuple[str, tuple[str, ...]]:
    """What ``error`` was, in a sentence, and where in the code."""
    places, place = trace_of(error, (attack,))
    try:
        told = str(error)
    except Exception:  # noqa: BLE001 - the attack's own exception may fail here too
        told = "(an error whose text cannot be made)"
    text = told if isinstance(error, PrivbenchError) else f"{type(error).__name__}: {told} ({place})"
    return text.encode("utf-8", "backslashreplace").decode("utf-8"), places
