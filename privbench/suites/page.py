"""The page of a suite: what was run, and published figures beside ours, for people and for machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from privbench.core.seeds import seed_list
from privbench.report.results import Results
from privbench.report.text import DASH, code, escape
from privbench.report.writers.csv import lay_out_csv
from privbench.report.writers.markdown_table import Notes, lay_out, markdown_table
from privbench.suites.columns import comparison_columns
from privbench.suites.comparing import Comparison
from privbench.suites.planning import PlannedRun, PlannedSuite

_RUN_HEADER = (
    "Dataset",
    "Model",
    "Task",
    "Options",
    "Scale",
    "Seeds",
    "Threads",
    "Defenses",
    "Attacks",
    "Cells",
)

_OURS = """\
Ours are means over seeds with two-sided 95% intervals; the difference is ours less the published figure.
"""
_SHARED = """\
Cells that several runs share are played once. All of them are on the
[leaderboards](../leaderboards/README.md).
"""


def suite_csv(comparisons: Iterable[Comparison]) -> str:
    """One row for each published figure."""
    return lay_out_csv(comparison_columns(), comparisons)


def suite_markdown(
    planned: PlannedSuite, played: Sequence[Results], comparisons: Sequence[Comparison]
) -> str:
    """The page; ``played`` are the results of each run."""
    content = planned.suite.content
    parts = [f"# {escape(content.title)}\n"]
    if content.description.strip():
        parts.append(f"{content.description.strip()}\n")
    parts.append(_setting(planned))
    if comparisons:
        notes = Notes()
        table = lay_out(comparison_columns(), comparisons, notes)
        parts += [
            "## Published figures beside ours\n",
            f"{table}\n{notes}" if str(notes) else table,
            _OURS,
        ]
    rows = [_run_row(run, results) for run, results in zip(planned.runs, played, strict=True)]
    parts += [
        f"## Runs\n\n{markdown_table(_RUN_HEADER, rows)}",
        _SHARED,
    ]
    return "\n".join(parts)


def _setting(planned: PlannedSuite) -> str:
    scales = tuple(dict.fromkeys(run.plan.scale for run in planned.runs))
    told = f"Suite {code(planned.suite.name)}, scale {', '.join(scales)}"
    if scales != planned.asked:
        told += f" (the suite itself asks for {', '.join(planned.asked)})"
    return f"{told}.\n"


def _run_row(run: PlannedRun, results: Results) -> list[str]:
    plan = run.plan
    return [
        code(plan.source.selector),
        code(plan.model.selector),
        code(plan.task.selector),
        code(str(plan.options)) if str(plan.options) else DASH,
        plan.scale,
        seed_list(plan.seeds),
        str(run.threads or DASH),
        ", ".join(map(code, run.defenses)),
        ", ".join(map(code, run.attacks)),
        _counted(results),
    ]


def _counted(results: Results) -> str:
    """How many cells ended how."""
    counts = Counter(record.status for record in results.records)
    told = [f"{counts['ok']} finished"]
    told += [f"{counts['failed']} failed"] if counts["failed"] else []
    told += [f"{counts['not-applicable']} do not apply"] if counts["not-applicable"] else []
    return ", ".join(told)
