"""privbench as a library: run, load, look.

The command line calls the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from privbench.core.errors import UserError
from privbench.core.options import Options
from privbench.core.scale import Scale
from privbench.core.trainer import silent

if TYPE_CHECKING:
    import pandas as pd

    from privbench.core.records import Record
    from privbench.engine.plan import Named, Plan
    from privbench.rating.board import Board
    from privbench.store.results import Result

DeviceName = Literal["auto", "cpu", "cuda"]


class Results(Sequence["Result"]):
    """Results of cells, and what can be made of them.

    A result is a ``record`` (the cell, its figures, its provenance) and the per-sample ``columns``
    behind the figures.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        self._results = tuple(results)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Results: ...
    def __getitem__(self, index: int | slice) -> Result | Results:
        """One result, or several."""
        if isinstance(index, slice):
            return Results(self._results[index])
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self._results)

    def __add__(self, other: Results) -> Results:
        """All results of both."""
        return Results([*self, *other])

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<{len(self)} results{failed}: .to_pandas(), .table(), .leaderboard(folder)>"

    @property
    def records(self) -> list[Record]:
        """The records alone."""
        return [result.record for result in self]

    @property
    def failed(self) -> list[Record]:
        """The records of cells that failed; each says why."""
        return [record for record in self.records if record.status == "failed"]

    @property
    def boards(self) -> list[Board]:
        """The boards that the results make, rated.

        Raises:
            DataError: results contradict each other.
        """
        from privbench.rating.board import make_boards

        return make_boards(self)

    def to_pandas(self) -> pd.DataFrame:
        """A row for each cell and metric: the cell, status, value, interval, and what the attack cost."""
        import pandas as pd

        rows: list[dict[str, Any]] = []
        for record in self.records:
            cell = {**record.cell.model_dump(), "status": record.status, "reason": record.reason}
            cost = {"attack_seconds": record.cost.attack_seconds, "key": record.key}
            for name, figure in record.figures.items() or [("", None)]:
                value = {} if figure is None else figure.model_dump()
                rows.append({**cell, "metric": name, **value, **cost})
        return pd.DataFrame(rows)

    def table(self, width: int = 120) -> str:
        """What ``privbench run`` prints, as text of ``width`` columns."""
        import io

        from rich.console import Console

        from privbench.report.writers.console import print_results

        out = io.StringIO()
        print_results(self, Console(file=out, width=width, highlight=False))
        return out.getvalue()

    def leaderboard(self, out: Path | str) -> list[Path]:
        """Write leaderboards (markdown, CSV, pictures) below ``out``; return the files.

        Raises:
            DataError: results contradict each other.
            CannotWrite: the disk is full or the folder is not writable.
        """
        from privbench.report.figures.roc import write_roc
        from privbench.report.leaderboard import write_leaderboards

        folder = Path(out)
        return [*write_leaderboards(self, folder), *write_roc(self, folder / "roc")]


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
    progress: Callable[[int, int, str], None] = silent,
    **options: Any,
) -> Results:
    """Play attacks against defenses; finished cells are kept below ``out`` and not played again.

    >>> import privbench, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     results = privbench.run("pixelate", "window-mean", scale="smoke", out=folder, controls=False)
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
    return execute(plan, device, Path(out), in_process, cell_timeout, announce=progress)


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
) -> Results:
    """Execute a plan; see ``run``. ``done`` hears of each result and whether it was there already."""
    import warnings

    from privbench.engine.device import resolve_device
    from privbench.engine.executors.choose import executor
    from privbench.engine.run import run_plan

    found = []
    with executor(in_process=in_process, timeout=cell_timeout) as chosen:
        played = run_plan(plan, resolve_device(device), out, chosen, announce, step, warn or warnings.warn)
        for result, was_there in played:
            found.append(result)
            if done is not None:
                done(result, was_there)
    return Results(found)


def load(folder: Path | str) -> Results:
    """The results below ``folder``, as a run or a leaderboard left them.

    Raises:
        UserError: there are none, or one is damaged.
    """
    from privbench.core.errors import CorruptArtefact
    from privbench.store.results import load_results

    path = Path(folder)
    if next(path.rglob("records/*/*.json"), None) is None:
        raise UserError(f"{folder}: no records there. Give a folder that privbench run wrote (--out).")
    try:
        return Results(load_results(path))
    except CorruptArtefact as error:
        raise UserError(f"{error}. Delete the file, or run the cell again, then repeat this.") from error


def reproduce(suite: str, **arguments: Any) -> Results:
    """Run a suite that is shipped, such as ``boards``; arguments as ``suites.run_suite``."""
    from privbench.suites.running import run_suite

    return run_suite(suite, **arguments)


def _several(given: Named | Sequence[Named]) -> Sequence[Named]:
    return given if isinstance(given, (list, tuple)) else [given]  # type: ignore[list-item]
