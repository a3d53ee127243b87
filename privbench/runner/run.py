"""A run: every cell of a plan, reusing what is there, keeping what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from privbench.core.defense import Defense
from privbench.core.errors import CorruptArtefact, UserError
from privbench.runner.cell_record import cell_key, cell_of
from privbench.runner.execute import execute
from privbench.runner.plan import Plan
from privbench.runner.settings import Setting
from privbench.runner.stage import Progress, Stage
from privbench.store.cache import Cache
from privbench.store.results import Result, load_result, result_path, save_result

Announce = Callable[[int, int, str], None]
"""Called with (cells done, cells in all, the cell about to run)."""


def run_plan(
    plan: Plan,
    device: str,
    out: Path,
    announce: Announce,
    progress: Progress,
    warn: Callable[[str], None],
) -> Iterator[tuple[Result, bool]]:
    """Execute ``plan`` and yield each result, with whether it was there already.

    A finished cell is on disk before the next one starts. A damaged record is named through
    ``warn`` and made anew; failed cells are tried again.

    Raises:
        UserError: data, model and a defense do not fit together; nothing of that seed was run.
        CannotWrite: results can no longer be stored (disk full, folder not writable).
    """
    cache = Cache(out / "cache", warn)
    total = len(plan.seeds) * len(plan.cells)
    done = 0
    for seed in plan.seeds:
        setting = Setting(plan.source, plan.model, seed, plan.scale, device)
        stage = Stage(setting, cache, progress)
        for planned in plan.cells:
            announce(done, total, f"{planned.defense.selector} × {planned.attack.selector}, seed {seed}")
            result = _finished(result_path(out, cell_of(setting, planned)), cell_key(setting, planned), warn)
            reused = result is not None
            if result is None:
                for defense in {cell.defense.selector: cell.defense for cell in plan.cells}.values():
                    stage.once(f"check of {defense.selector}", partial(_check, stage, defense))
                result = execute(stage, planned)
                save_result(out, result)
            done += 1
            yield result, reused
    announce(done, total, "")


def _check(stage: Stage, defense: Defense) -> None:
    try:
        stage.check(defense)
    except UserError:
        raise
    except (Exception, SystemExit):  # noqa: BLE001, S110
        # A defect of the defense's code: its cells fail on their own, and leave the others alone.
        pass


def _finished(path: Path, key: str, warn: Callable[[str], None]) -> Result | None:
    if not path.exists():
        return None
    try:
        result = load_result(path)
    except CorruptArtefact as error:
        warn(f"{error}; the cell will be run again")
        return None
    return result if result.record.key == key and result.record.status != "failed" else None
