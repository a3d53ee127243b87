"""Keys of what a cell used: its methods' code with all that they import, data, options and libraries.

A new file in the catalogue, or an edit to a file that the cell does not use, leaves its key as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import privbench
from privbench.core.game import Game
from privbench.core.hashing import text_hash
from privbench.core.method import Method
from privbench.core.metric import Metric
from privbench.core.records import PROTOCOL_VERSION
from privbench.core.registry import create
from privbench.core.sources import Use

if TYPE_CHECKING:
    from privbench.engine.plan import PlannedCell
    from privbench.engine.setting import Setting

_ROOT = Path(privbench.__file__).parent
FITTING = ("engine/fitting.py", "engine/seeds.py", "engine/setting.py")
"""The engine's files that say how a defense is fitted, and to which data."""
GUESSING = ("engine/adversary.py", "engine/cases.py", "engine/shadows.py")
"""The engine's files that say what an adversary is shown and answered; what they import that computes is
in ``FITTING``."""
SCORING = ("engine/scoring.py",)
"""The engine's files that make figures."""


def with_uses(methods: Iterable[Method]) -> list[Method]:
    """The methods and those that they find by name, and so on."""
    found: dict[tuple[str, str], Method] = {}
    stack = list(methods)
    while stack:
        method = stack.pop()
        key = (method.kind, method.selector)
        if key not in found:
            found[key] = method
            stack += method.uses
    return [found[key] for key in sorted(found)]


def look_again() -> None:
    """Forget what code was found: files may have been edited since, in a notebook's process too."""
    for found in (_used, metric_hash):
        found.cache_clear()


def code_of(*methods: Method, files: Sequence[str] = ()) -> str:
    """Hash of the code of ``methods`` and engine ``files``, with all that they import."""
    return text_hash("|".join(sorted({_used(root)[0] for root in _roots(methods, files)})))


def libraries_of(*methods: Method, files: Sequence[str] = ()) -> dict[str, str]:
    """Versions of the libraries that ``methods`` and engine ``files`` compute with."""
    found = {name: version for root in _roots(methods, files) for name, version in _used(root)[1].items()}
    return dict(sorted(found.items()))


def _roots(methods: Iterable[Method], files: Iterable[str]) -> list[type | Path]:
    return [*(type(method) for method in with_uses(methods)), *(_ROOT / file for file in files)]


@cache
def _used(root: type | Path) -> tuple[str, dict[str, str]]:
    use = Use((root,))
    return use.code_hash(), use.libraries()


@cache
def metric_hash(metric: Metric) -> str:
    """Hash of what makes a metric's figures: its code, the scoring, its libraries."""
    versions = libraries_of(metric, files=SCORING)
    return text_hash(f"{code_of(metric, files=SCORING)}|{sorted(versions.items())}")


def guess_methods(setting: Setting, planned: PlannedCell) -> list[Method]:
    """The methods that have a part in a cell's guess."""
    surfaces = [create("surface", name) for name in sorted(planned.attack.required_surfaces)]
    game: Game = planned.game
    return [
        planned.defense,
        planned.attack,
        game,
        *surfaces,
        setting.model,
        setting.task,
        setting.source,
    ]


def cell_key(setting: Setting, planned: PlannedCell) -> str:
    """The key of a cell's guess, under which its record is found again.

    Figures are made from the guess by metrics, whose own hashes stand beside it (``metric_hash``).
    """
    methods = guess_methods(setting, planned)
    parts = {
        "setting": setting.identity(),
        "defense": planned.defense.selector,
        "attack": planned.attack.selector,
        "game": planned.game.selector,
        "protocol": PROTOCOL_VERSION,
        "code": code_of(*methods, files=FITTING),
        "engine": [text_hash((_ROOT / file).read_text(encoding="utf-8")) for file in GUESSING],
        "libraries": libraries_of(*methods, files=FITTING),
    }
    return text_hash(json.dumps(parts, sort_keys=True))
