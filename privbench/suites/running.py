"""Running a suite: all its runs into one folder, then its page and leaderboards."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from privbench.core.file_names import slug
from privbench.core.scale import Scale
from privbench.core.trainer import silent
from privbench.engine.device import DeviceName, check_device
from privbench.report.results import Results
from privbench.suites.execution import execute
from privbench.suites.planning import PlannedSuite, plan_suite
from privbench.suites.reading import read_suite

if TYPE_CHECKING:
    from privbench.store.results import Result

Progress = Callable[[int, int, str], None]


def run_suite(
    suite: str | Path,
    *,
    out: Path | str = "runs",
    device: DeviceName = "auto",
    scale: Scale | None = None,
    seeds: Sequence[int] | None = None,
    cell_timeout: float | None = None,
    in_process: bool = False,
    force: bool = False,
    progress: Progress = silent,
    step: Progress = silent,
    warn: Callable[[str], None] | None = None,
    done: Callable[[Result, bool], None] | None = None,
) -> Results:
    """Execute all runs of a suite and write its page, a table for machines, and leaderboards.

    Everything is planned before anything is run. Finished cells are kept below ``out`` and not played
    again, so that an interrupted suite goes on where it stopped, and runs share what is equal. The page
    is ``out/suites/NAME.md``; ``NAME.csv`` beside it holds the published figures beside ours, if there
    are any; the leaderboards of these results are below ``out/leaderboards``.

    Args:
        suite: a shipped name (``"boards"``) or the path of a ``.toml``.
        out: folder of records, cache, page and leaderboards.
        device: ``auto`` takes CUDA where there is a GPU.
        scale: in place of the file's.
        seeds: in place of the file's, for all runs.
        cell_timeout: seconds of its own that an attack may take.
        in_process: run attacks in this process, for a debugger; their records are marked.
        force: play every cell again, and use nothing that earlier runs computed.
        progress: called with (cells done, cells in all runs, the next cell).
        step: called with (steps done, steps in all, what is done) for long work inside a cell.
        warn: called with what must be seen; by default a Python warning.
        done: called with each result, and whether it was there already.

    Returns:
        The results of all runs, each cell once.

    Raises:
        UserError: the file or something that it names does not exist or does not fit.
        CannotWrite: results can no longer be stored.
    """
    folder = Path(out)
    planned = plan_suite(read_suite(suite), scale, seeds)
    check_device(device)
    totals = [len(run.plan.seeds) * len(run.plan.cells) for run in planned.runs]
    played: list[Results] = []
    for number, run in enumerate(planned.runs):
        with _threads(run.threads):
            results = execute(
                run.plan,
                device,
                folder,
                in_process,
                cell_timeout,
                announce=_shifted(progress, sum(totals[:number]), sum(totals)),
                step=step,
                warn=warn,
                done=done,
                force=force,
            )
        played.append(results)
    once = {r.record.cell.model_dump_json(): r for results in played for r in results}
    results = Results([*once.values()])
    write_suite(planned, played, results, folder)
    return results


def write_suite(planned: PlannedSuite, played: Sequence[Results], results: Results, out: Path) -> list[Path]:
    """Write leaderboards, page and table; ``played`` are the results of each run, ``results`` of all.

    Raises:
        DataError: results contradict each other.
        CannotWrite: the disk is full or the folder is not writable.
    """
    from privbench.store.artefacts import write_text
    from privbench.suites.comparing import compare
    from privbench.suites.page import suite_csv, suite_markdown

    written = results.leaderboard(out / "leaderboards")
    comparisons = compare(planned.figures, results)
    page = page_path(out, planned.suite.name)
    texts = {page: suite_markdown(planned, played, comparisons)}
    if comparisons:
        texts[page.with_suffix(".csv")] = suite_csv(comparisons)
    for path, text in texts.items():
        write_text(path, text)
    return [*written, *texts]


def page_path(out: Path, name: str) -> Path:
    """Where the page of the suite ``name`` is kept below ``out``."""
    return out / "suites" / f"{slug(name)}.md"


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    """``progress`` of one run as that of all runs, of which ``before`` cells came earlier."""

    def heard(done: int, _: int, text: str) -> None:
        if text or before + done == total:
            progress(before + done, total, text)

    return heard


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """Let torch take ``count`` CPU threads inside, also in attacks' processes, and restore the setting."""
    if count is None:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
