"""A run: every cell of a plan, reusing what is there, keeping what is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from privbench.core.controls import BREAK
from privbench.core.defense import Defense
from privbench.core.errors import CorruptArtefact, UserError
from privbench.core.registry import create
from privbench.core.trainer import silent
from privbench.core.warned import heard
from privbench.engine.cell_record import cell_of
from privbench.engine.defender import Defender
from privbench.engine.execute import Session, execute, scored_by
from privbench.engine.executors.guess import IN_PROCESS, Executor
from privbench.engine.fitting import Progress
from privbench.engine.keys import cell_key, look_again
from privbench.engine.plan import Plan, PlannedCell
from privbench.engine.referee import Referee
from privbench.engine.setting import Setting, look_at_data_again
from privbench.store.cache import Cache
from privbench.store.files import set_aside
from privbench.store.results import (
    Result,
    finished_before,
    load_result,
    result_path,
    save_result,
    sealed,
)
from privbench.store.sweeping import sweep

Announce = Callable[[int, int, str], None]
"""Called with (cells done, cells in all, the cell about to run)."""


def unheard(text: str) -> None:
    """Say nothing of a warning."""


def run_plan(
    plan: Plan,
    device: str,
    out: Path,
    executor: Executor,
    announce: Announce = silent,
    progress: Progress = silent,
    warn: Callable[[str], None] = unheard,
    *,
    force: bool = False,
) -> Iterator[tuple[Result, bool]]:
    """Execute ``plan`` and yield each result, with whether it was there already.

    A finished cell is on disk before the next one starts. A damaged record is named through
    ``warn`` and made anew; failed cells are tried again, and one that fails now does not take the place
    of its finished record. Unfinished files of killed runs are removed. With ``force`` every cell is played
    again, and nothing that earlier runs computed is used.

    Raises:
        UserError: data, model and a defense do not fit together; nothing of that seed was run.
        CannotWrite: results can no longer be stored (disk full, folder not writable).
    """
    out = out.resolve()
    look_again()
    look_at_data_again()
    sweep(out)
    for text in plan.left_out:
        warn(text)
    cache = Cache(out / "cache", warn, fresh=force)
    total, done = len(plan.seeds) * len(plan.cells), 0
    said: set[str] = set()

    def damaged(path: Path, error: CorruptArtefact) -> None:
        warn(f"{error}; the cell will be run again")
        set_aside(path)

    for seed in plan.seeds:
        setting = Setting(plan.source, plan.model, plan.task, seed, plan.scale, device, plan.options)
        defender = Defender(setting, cache, progress)
        session = Session(setting, defender, Referee(defender), executor)
        found = [None if force else finished(setting, c, out, executor.flags, damaged) for c in plan.cells]
        for text in _data_warnings(setting, found):
            if text not in said:
                said.add(text)
                warn(text)
        if None in found:
            executor.start()
            _prepare(
                defender, [cell for cell, result in zip(plan.cells, found, strict=True) if result is None]
            )
        for planned, there in zip(plan.cells, found, strict=True):
            announce(done, total, f"{planned.defense.selector} × {planned.attack.selector}, seed {seed}")
            result = there
            if result is None:
                result = sealed(execute(session, planned))
                if result.record.status == "failed" and finished_before(out, result.record.cell):
                    path = result_path(out, result.record.cell)
                    warn(f"{path} is kept: the cell had finished, and failed now")
                save_result(out, result)
            done += 1
            yield result, there is not None
    announce(done, total, "")


def _data_warnings(setting: Setting, found: Sequence[Result | None]) -> list[str]:
    """What of the data changes figures; from the records where nothing is left to run."""
    there = [result for result in found if result is not None]
    if len(there) < len(found):
        texts = setting.dataset().warnings
    else:
        reading = there[0].record.provenance.config.get("reading", {}) if there else {}
        texts = tuple(reading.get("warnings", ()))
    return [f"{setting.source.selector}: {text}" for text in texts]


def _prepare(defender: Defender, cells: Sequence[PlannedCell]) -> None:
    """Check and fit what ``cells`` are about to attack."""
    defenses = {cell.defense.selector: cell.defense for cell in cells}
    for defense in defenses.values():
        check(defender, defense)
    needed = {cell.defense.selector: cell.defense for cell in cells if cell.reason is None}
    plain = create("defense", BREAK)
    assert isinstance(plain, Defense)
    with heard():
        # What a fit warned of is kept with it.
        defender.fit_all({**needed, plain.selector: plain}.values() if needed else ())


def check(defender: Defender, defense: Defense) -> None:
    """See that data, model and ``defense`` fit together.

    Raises:
        UserError: they do not.
    """
    try:
        with heard():
            defender.check(defense)
    except (UserError, KeyboardInterrupt):
        raise
    except BaseException:  # noqa: BLE001, S110
        # A defect of the defense's code: its cells fail on their own, and leave the others alone.
        pass


def finished(
    setting: Setting,
    planned: PlannedCell,
    out: Path,
    flags: tuple[str, ...],
    damaged: Callable[[Path, CorruptArtefact], None],
) -> Result | None:
    """The result of a cell that need not be run again, or None.

    ``flags`` are those of the executor; ``damaged`` is called with a record that cannot be read.
    """
    path = result_path(out, cell_of(setting, planned))
    if not path.exists():
        return None
    try:
        result = load_result(path)
    except CorruptArtefact as error:
        damaged(path, error)
        return None
    record = result.record
    if record.status == "failed" or record.key != cell_key(setting, planned):
        return None
    if IN_PROCESS in record.flags and IN_PROCESS not in flags:
        return None
    if record.status == "ok" and record.scored != scored_by(setting, planned):
        return None
    return result
