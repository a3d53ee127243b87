"""privbench as a library: run, load, look.

The command line calls the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from privbench.core.errors import UserError
from privbench.core.file_names import folder_named
from privbench.core.options import Options
from privbench.core.scale import Scale
from privbench.core.trainer import silent
from privbench.engine.device import DeviceName
from privbench.report.results import Results
from privbench.store.files import record_paths
from privbench.suites.execution import execute

if TYPE_CHECKING:
    from privbench.engine.selection import Named
    from privbench.store.results import Result

__all__ = ["Results", "execute", "load", "reproduce", "run"]


def run(
    defense: Named | Sequence[Named],
    attack: Named | Sequence[Named],
    *,
    dataset: Named = "mnist-5k",
    model: Named = "cnn",
    task: Named = "classes",
    seed: int | Sequence[int] = 0,
    scale: Scale = "small",
    device: DeviceName = "auto",
    out: Path | str = "runs",
    controls: bool = True,
    in_process: bool = False,
    cell_timeout: float | None = None,
    force: bool = False,
    progress: Callable[[int, int, str], None] = silent,
    **options: Any,
) -> Results:
    """Play attacks against defenses; finished cells are kept below ``out`` and not played again.

    >>> import privbench, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     quick = {"model": "mlp", "scale": "smoke", "controls": False}
    ...     results = privbench.run("pixelate", "window-mean", out=folder, **quick)
    >>> results[0].record.status, sorted(results.to_pandas()["metric"])[-1]
    ('ok', 'ssim')

    Args:
        defense: one or several: a selector (``"vim[window=7]"``), an instance, or a class of your own.
        attack: likewise; a game's name or ``"all"`` stands for several.
        dataset: likewise, one: the data.
        model: likewise, one: the network that is trained through the defense.
        task: likewise, one: what the network is taught.
        seed: one or several.
        scale: the budget.
        device: ``auto`` takes CUDA where there is a GPU.
        out: folder of records, cache and pictures.
        controls: also play what leakage is measured against.
        in_process: run attacks in this process, for a debugger; their records are marked.
        cell_timeout: seconds of its own that an attack may take.
        force: play every cell again, and use nothing that earlier runs computed.
        progress: called with (cells done, cells in all, the next cell).
        options: what overrides the scale: ``epochs``, ``optimizer``, ``lr``, ``batch_size``,
            ``schedule``, ``augment``, ``images``.

    Raises:
        UserError: something asked for does not exist or does not fit.
        CannotWrite: results can no longer be stored.
    """
    from privbench.engine.plan import make_plan

    unknown = sorted(set(options) - set(Options.model_fields))
    if unknown:
        raise UserError(
            f"run() takes no {', '.join(unknown)}. Options are: {', '.join(sorted(Options.model_fields))}."
        )
    plan = make_plan(
        _several(defense),
        _several(attack),
        dataset,
        model,
        (seed,) if isinstance(seed, int) else tuple(seed),
        scale,
        task=task,
        options=Options.create(**options),
        controls=controls,
    )
    folder = folder_named(out, "out")
    return execute(plan, device, folder, in_process, cell_timeout, announce=progress, force=force)


def load(folder: Path | str, damaged: Callable[[str], None] | None = None) -> Results:
    """The results below ``folder``, as a run or a leaderboard left them.

    Args:
        folder: of a run, or its folder of records.
        damaged: called with what is wrong with each damaged result, which is left out; None raises.

    Raises:
        UserError: there are none, or one is damaged.
    """
    path = folder_named(folder, "folder")
    if not record_paths(path.resolve()):
        raise UserError(f"{folder}: no records there. Give a folder that privbench run wrote (--out).")
    from privbench.core.errors import CorruptArtefact
    from privbench.store.results import load_results

    heard = None if damaged is None else lambda error: damaged(str(error))
    try:
        return Results(load_results(path, heard))
    except CorruptArtefact as error:
        raise UserError(f"{error}. Delete the file, or run the cell again, then repeat this.") from error


def reproduce(
    suite: str | Path,
    *,
    out: Path | str = "runs",
    device: DeviceName = "auto",
    scale: Scale | None = None,
    seeds: Sequence[int] | None = None,
    cell_timeout: float | None = None,
    in_process: bool = False,
    force: bool = False,
    progress: Callable[[int, int, str], None] = silent,
    step: Callable[[int, int, str], None] = silent,
    warn: Callable[[str], None] | None = None,
    done: Callable[[Result, bool], None] | None = None,
) -> Results:
    """Run a suite, shipped (``"boards"``) or of your own (a path to a ``.toml``).

    See ``privbench.suites.running.run_suite``, which this calls.
    """
    from privbench.suites.running import run_suite

    return run_suite(
        suite,
        out=folder_named(out, "out"),
        device=device,
        scale=scale,
        seeds=seeds,
        cell_timeout=cell_timeout,
        in_process=in_process,
        force=force,
        progress=progress,
        step=step,
        warn=warn,
        done=done,
    )


def _several(given: Named | Sequence[Named]) -> Sequence[Named]:
    return given if isinstance(given, (list, tuple)) else [given]  # type: ignore[list-item]
