"""Plan in, results out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from privbench.core.trainer import silent
from privbench.engine.device import DeviceName
from privbench.report.results import Results

if TYPE_CHECKING:
    from privbench.engine.plan import Plan
    from privbench.store.results import Result


def execute(
    plan: Plan,
    device: DeviceName,
    out: Path,
    in_process: bool = False,
    cell_timeout: float | None = None,
    *,
    announce: Callable[[int, int, str], None] = silent,
    step: Callable[[int, int, str], None] = silent,
    warn: Callable[[str], None] | None = None,
    done: Callable[[Result, bool], None] | None = None,
    force: bool = False,
) -> Results:
    """Execute a plan; see ``run``. ``done`` hears of each result and whether it was there already."""
    from privbench.engine.device import resolve_device
    from privbench.engine.executors.choose import executor
    from privbench.engine.run import run_plan

    found = []
    unsaid: list[str] = []
    with executor(in_process=in_process, timeout=cell_timeout) as chosen:
        played = run_plan(
            plan, resolve_device(device), out, chosen, announce, step, warn or unsaid.append, force=force
        )
        try:
            for result, was_there in played:
                found.append(result)
                if done is not None:
                    done(result, was_there)
        finally:
            # Only now: what is warned of inside a cell is kept for its record.
            for text in unsaid:
                warnings.warn(text, stacklevel=2)
    return Results(found)
