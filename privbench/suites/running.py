"""Running a suite: all its runs into one folder, then its page and leaderboards."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from privbench.core.errors import UserError
from privbench.core.scale import Scale
from privbench.core.trainer import silent
from privbench.engine.device import DeviceName
from privbench.suites.execution import execute
from privbench.suites.planning import Place, PlannedRun, place_figures, plan_runs
from privbench.suites.reading import read_suite
from privbench.suites.suite import Suite

if TYPE_CHECKING:
    from privbench.report.results import Results
    from privbench.store.results import Result
    from privbench.suites.comparison import Comparison

Announce: TypeAlias = Callable[[int, int, str], None]


@dataclass(frozen=True)
class PlannedSuite:
    """A suite that was read and found to be possible; nothing was run.

    Attributes:
        command: the words after ``privbench reproduce`` that ask for it.
        runs: what is to be run, in order.
        places: for each published figure the cell that measures it.
    """

    suite: Suite
    command: tuple[str, ...]
    runs: tuple[PlannedRun, ...]
    places: tuple[Place | None, ...]


@dataclass(frozen=True)
class FinishedSuite:
    """What came of a suite.

    Attributes:
        results: of all its runs, each cell once.
        comparisons: published figures beside ours.
        written: the page and the leaderboards.
    """

    results: Results
    comparisons: tuple[Comparison, ...]
    written: tuple[Path, ...]


def plan_suite(
    suite: str | Path,
    *,
    seeds: Sequence[int] = (),
    scale: Scale | None = None,
    only: Sequence[str] = (),
) -> PlannedSuite:
    """Read a suite and plan its runs.

    Args:
        suite: the name of a shipped suite, or the path of a TOML file.
        seeds: in place of the suite's own, if any.
        scale: in place of the suite's own.
        only: names of runs; the others are left out. Empty: all.

    Raises:
        UserError: there is no such suite, or something in it does not exist or does not fit; the file
            is named, and the key or the run.
    """
    name, content = read_suite(suite)
    try:
        runs = plan_runs(content, seeds, scale, only)
        places = place_figures(content, runs, partial=bool(only))
    except UserError as error:
        raise UserError(f"suite {name}: {error}") from error
    overridden = [*(("--scale", scale) if scale else ())]
    overridden += [word for seed in seeds for word in ("--seed", str(seed))]
    overridden += [word for run in only for word in ("--only", run)]
    asked = name if isinstance(suite, str) and suite == name else Path(suite).name
    return PlannedSuite(content, (asked, *overridden), tuple(runs), tuple(places))


def run_suite(
    planned: PlannedSuite,
    *,
    out: Path,
    device: DeviceName = "auto",
    boards: Path | None = None,
    in_process: bool = False,
    cell_timeout: float | None = None,
    announce: Announce = silent,
    step: Announce = silent,
    warn: Callable[[str], None] | None = None,
    done: Callable[[Result, bool], None] | None = None,
) -> FinishedSuite:
    """Execute all runs of a suite into one folder and write its page; finished cells are not run again.

    Args:
        planned: what ``plan_suite`` gave.
        out: folder of records, cache and pictures, and of the page ``SUITE.md`` with ``SUITE.csv``.
        device: ``auto`` takes CUDA where there is a GPU.
        boards: where the leaderboards of the results go; None: they are not written.
        in_process: run attacks in this process, for a debugger; their records are marked.
        cell_timeout: seconds of its own that an attack may take.
        announce: called with (cells done, cells in all, the next cell).
        step: called with (done, total, text) during long work inside a cell.
        warn: called with what must be seen; by default Python warns.
        done: called with each result and whether it was there already.

    Raises:
        UserError: CUDA was asked for and is not there, or data, model and a defense do not fit together.
        CannotWrite: results can no longer be stored.
    """
    total = sum(len(each.plan.seeds) * len(each.plan.cells) for each in planned.runs)
    played: list[Results] = []
    with _threads(planned.suite.threads):
        for each in planned.runs:
            before = sum(map(len, played))
            found = execute(
                each.plan,
                device,
                out,
                in_process,
                cell_timeout,
                announce=_among(announce, before, total),
                step=step,
                warn=warn,
                done=done,
            )
            played.append(found)
        return _written(planned, played, out, boards)


def _written(planned: PlannedSuite, played: Sequence[Results], out: Path, boards: Path | None) -> FinishedSuite:
    from privbench.report.results import Results
    from privbench.suites.columns import RunRow
    from privbench.suites.comparison import compare
    from privbench.suites.page import Page, write_page

    # Runs may share cells.
    results = Results(list({result.record.cell: result for found in played for result in found}.values()))
    rows = [RunRow(each, tuple(found)) for each, found in zip(planned.runs, played, strict=True)]
    rated = results.boards
    comparisons = tuple(compare(planned.suite.figure, planned.places, rated))
    written: list[Path] = []
    links: dict[str, str] = {}
    if boards is not None:
        from privbench.report.figures.roc import write_roc
        from privbench.report.leaderboard import write_boards

        written += [*write_boards(rated, boards), *write_roc(results, boards / "roc")]
        links = {board.slug: _link(boards / f"{board.slug}.md", out) for board in rated}
    page = Page(planned.suite, planned.command, comparisons, rows, links)
    return FinishedSuite(results, comparisons, (*write_page(page, out), *written))


def _among(announce: Announce, before: int, total: int) -> Announce:
    """``announce`` for the cells of one run among those of the suite."""
    return lambda done, _, text: announce(before + done, total, text)


def _link(path: Path, folder: Path) -> str:
    """How a page in ``folder`` names ``path``."""
    return Path(os.path.relpath(path, folder)).as_posix()


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Compute with ``count`` threads inside; None leaves it to the machine."""
    if count is None:
        yield
        return
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with threadpool_limits(limits=count):
            yield
    finally:
        torch.set_num_threads(before)
