"""What commands that run cells share: progress, what is printed at the end, and the exit code."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypedDict

import typer

from privbench.cli.progress import Reporter
from privbench.core.errors import counted
from privbench.core.records import dump_record
from privbench.report.terminal import terminal

if TYPE_CHECKING:
    from privbench.report.results import Results
    from privbench.store.results import Result


FailOn = Literal["broken", "inconclusive"]


class Hooks(TypedDict):
    """What a run reports to."""

    announce: Callable[[int, int, str], None]
    step: Callable[[int, int, str], None]
    warn: Callable[[str], None]
    done: Callable[[Result, bool], None]


def carry_out(
    work: Callable[[Hooks], Results],
    show: Callable[[Results, Reporter], None],
    *,
    quiet: bool,
    as_json: bool,
    fail_on: FailOn | None = None,
) -> None:
    """Do ``work`` and print what came of it.

    Args:
        work: runs cells, and reports to what it is given.
        show: prints results for people.
        quiet: without progress.
        as_json: print verdicts and records instead.
        fail_on: end with an error where a defense fared so, or worse.

    Raises:
        typer.Exit: a cell failed: code 1; a verdict is one of ``fail_on``: code 3.
    """
    start = time.perf_counter()
    reused: list[bool] = []
    with Reporter(quiet=quiet or as_json) as reporter:
        results = work(
            {
                "announce": reporter.announce,
                "step": reporter.step,
                "warn": reporter.warn,
                "done": lambda _, was_there: reused.append(was_there),
            }
        )
    if as_json:
        from privbench.report.summary import verdicts

        told = json.dumps(verdicts(results.boards), indent=1, ensure_ascii=False)
        records = ",\n".join(dump_record(record) for record in results.records)
        sys.stdout.write(f'{{"verdicts": {told},\n"records": [{records}]}}\n')
    else:
        show(results, reporter)
        seconds = time.perf_counter() - start
        told = f"{counted(len(results), 'cell')} ({sum(reused)} from earlier runs) in {seconds:.0f} s."
        terminal().print(told)
    if failed := results.failed:
        reporter.warn(
            f"{counted(len(failed), 'cell')} failed; the records say why. First: {failed[0].reason}"
        )
        raise typer.Exit(1)
    if fail_on is not None and (bad := _failing(results, fail_on)):
        reporter.warn(f"--fail-on {fail_on}: {', '.join(bad)}")
        raise typer.Exit(3)


def _failing(results: Results, fail_on: FailOn) -> list[str]:
    """The defenses whose verdict is one that ``fail_on`` refuses."""
    refused = {"BROKEN"} if fail_on == "broken" else {"BROKEN", "INCONCLUSIVE", "UNRATED"}
    rows = (row for board in results.boards for row in board.defenses if not row.control)
    return [f"{row.defense} is {row.overall.status}" for row in rows if row.overall.status in refused]
