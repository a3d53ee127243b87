"""An attack's attempt at one case: its checked guess and what it cost, kept by the key of the guess."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from privbench.core.content import content_digest
from privbench.core.controls import BREAK
from privbench.core.defense import Defense
from privbench.core.game import Challenge
from privbench.core.hashing import text_hash
from privbench.core.registry import create
from privbench.core.warned import once
from privbench.engine.adversary import Adversary
from privbench.engine.executors.guess import Executor
from privbench.engine.keys import cell_key
from privbench.engine.plan import PlannedCell
from privbench.engine.provenance import instructions
from privbench.engine.setting import Setting
from privbench.store.cache import Cache


@dataclass(frozen=True)
class Attempt:
    """What came of an attack.

    Attributes:
        guess: as the game checked it.
        queries: to each oracle.
        log: the attack's own.
        seconds: wall time.
        flags: remarks of the executor on how it was run.
        warnings: of libraries.
    """

    guess: torch.Tensor
    queries: dict[str, int]
    log: dict[str, list[float]]
    seconds: float
    flags: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def guess_key(setting: Setting, planned: PlannedCell, challenge: Challenge) -> str:
    """The key of a guess: the cell's, or one that all defenses share where the attack ignores them."""
    if not planned.attack.ignores_defense:
        return cell_key(setting, planned)
    plain = create("defense", BREAK)
    assert isinstance(plain, Defense)
    return text_hash(f"{cell_key(setting, replace(planned, defense=plain))}|{content_digest(challenge)}")


def attempt(executor: Executor, adversary: Adversary, challenge: Challenge) -> Attempt:
    """Let the attack guess.

    Raises:
        AttackFailed: it raised something, ended its process, or took too long.
        PrivbenchError: its answer is no guess.
    """
    start = time.perf_counter()
    answer = executor.guess(adversary, challenge)
    guess = adversary.game.check(challenge, answer.guess)
    seconds = time.perf_counter() - start
    queries = dict(sorted(adversary.queries.items()))
    warned = once([*answer.warnings, *adversary.warnings])
    return Attempt(guess, queries, answer.log, seconds, executor.flags, warned)


def kept_attempt(cache: Cache, key: str, executor: Executor) -> Attempt | None:
    """The attempt that was kept, or None; one with remarks does for an executor with the same alone."""
    path = _path(cache, key)
    found = cache.load(path)
    if found is None:
        return None
    tensors, note = found
    notes: dict[str, Any] = dict(note)
    flags, warned = (tuple(notes.get(name, ())) for name in ("flags", "warnings"))
    try:
        made = Attempt(tensors["guess"], notes["queries"], notes["log"], notes["seconds"], flags, warned)
    except KeyError:
        cache.refuse(path, f"{path} is no guess")
        return None
    return made if set(made.flags) <= set(executor.flags) else None


def keep_attempt(cache: Cache, key: str, made: Attempt) -> None:
    """Keep an attempt: a new metric scores it without another one."""
    names = ("queries", "log", "seconds", "flags", "warnings")
    cache.save(_path(cache, key), {"guess": made.guess}, {name: getattr(made, name) for name in names})


def _path(cache: Cache, key: str) -> Path:
    return cache.path("guesses", {"key": key, "instructions": instructions()})
