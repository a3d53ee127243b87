"""Methods that other installed packages bring, by their entry points."""

from __future__ import annotations

import importlib.metadata
from collections import defaultdict
from functools import cache
from importlib.metadata import EntryPoint

from privbench.core.method import Kind


def plugins(kind: Kind) -> dict[str, EntryPoint]:
    """The entry point of each name; of several packages the first in order of their names."""
    return {name: entries[0] for name, entries in _entries(kind).items()}


def hidden(kind: Kind, name: str) -> list[str]:
    """The packages whose method ``name`` stands behind another package's of that name."""
    return [package(entry) for entry in _entries(kind).get(name, [])[1:]]


def package(entry: EntryPoint) -> str:
    """The package that brings ``entry``, with its version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value.partition(":")[0]


@cache
def _entries(kind: Kind) -> dict[str, list[EntryPoint]]:
    found: dict[str, list[EntryPoint]] = defaultdict(list)
    # A package may be found at two places of the import path.
    entries = {
        (package(e), e.name, e.value): e for e in importlib.metadata.entry_points(group=f"privbench.{kind}s")
    }
    for _, entry in sorted(entries.items()):
        found[entry.name].append(entry)
    return dict(found)
