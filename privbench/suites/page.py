"""A suite's page: published figures beside ours, what was run and how."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from privbench.report.text import code, escape
from privbench.report.writers.csv import csv_table
from privbench.report.writers.markdown_table import Notes, lay_out
from privbench.store.artefacts import write_text
from privbench.suites.columns import RunRow, comparison_columns, run_columns
from privbench.suites.comparison import Comparison
from privbench.suites.suite import Suite


@dataclass(frozen=True)
class Page:
    """What a suite's page is made from.

    Attributes:
        command: the words after ``privbench reproduce`` that run the same again.
        boards: links to the leaderboards of the results, by their names.
    """

    suite: Suite
    command: tuple[str, ...]
    comparisons: Sequence[Comparison]
    runs: Sequence[RunRow]
    boards: dict[str, str]


def write_page(page: Page, out: Path) -> list[Path]:
    """Write ``SUITE.md`` to ``out``, and ``SUITE.csv`` where figures are compared; return the files.

    Raises:
        CannotWrite: the disk is full or the folder is not writable.
    """
    write_text(out / "SUITE.md", page_markdown(page))
    if not page.comparisons:
        return [out / "SUITE.md"]
    write_text(out / "SUITE.csv", csv_table(comparison_columns(), page.comparisons))
    return [out / "SUITE.md", out / "SUITE.csv"]


def page_markdown(page: Page) -> str:
    """The page; the same results give the same text."""
    parts = [f"# {escape(page.suite.title)}\n", page.suite.description.strip() + "\n"]
    parts.append(f"Run it again: {code(shlex.join(['privbench', 'reproduce', *page.command]))}\n")
    notes = Notes()
    if page.comparisons:
        parts += [
            "## Published figures beside ours\n",
            lay_out(comparison_columns(), page.comparisons, notes),
        ]
        parts.append(
            "Ours are means over seeds with 95% intervals; the difference is ours minus the published "
            "figure, in its unit.\n"
        )
        parts.append(str(notes))
    parts += ["## What was run\n", lay_out(run_columns(), page.runs, Notes()), _made_with(page.runs)]
    if failed := _failed(page.runs):
        parts += ["## What failed\n", failed]
    if page.boards:
        links = "".join(f"- [{code(name)}]({target})\n" for name, target in page.boards.items())
        parts += ["## Leaderboards\n", links]
    return "\n".join(filter(None, (part.strip("\n") + "\n" if part.strip() else "" for part in parts)))


def _made_with(runs: Sequence[RunRow]) -> str:
    """Version, state of the code and device, as the records have them."""
    found = [result.record.provenance for row in runs for result in row.results]
    made = {
        "privbench": {each.versions.get("privbench", "") for each in found},
        "code": {each.git for each in found},
        "torch": {each.versions.get("torch", "") for each in found},
        "device": {each.device for each in found},
    }
    told = [
        f"{name} {', '.join(sorted(filter(None, values)))}" for name, values in made.items() if any(values)
    ]
    return f"Made with {escape('; '.join(told))}.\n" if told else ""


def _failed(runs: Sequence[RunRow]) -> str:
    lines = {
        f"- {code(record.cell.defense)} × {code(record.cell.attack)}, {record.cell.game}, "
        f"seed {record.cell.seed}: {escape(record.reason)}\n": None
        for row in runs
        for record in (result.record for result in row.results)
        if record.status == "failed"
    }
    return "".join(lines)
