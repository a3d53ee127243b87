"""What datasets read, in sentences that records keep."""

from __future__ import annotations

from collections.abc import Iterable

from privbench.core.records import Record


def data_notes(records: Iterable[Record]) -> list[str]:
    """A line for each dataset: what was read and left out, each said once."""
    told: dict[str, dict[str, None]] = {}
    for record in records:
        notes = record.provenance.config.get("reading", {}).get("notes", [])
        told.setdefault(record.cell.dataset, {}).update(dict.fromkeys(map(str, notes)))
    return [f"data {name}: {'; '.join(notes)}." for name, notes in told.items() if notes]
