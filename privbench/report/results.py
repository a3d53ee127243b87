"""Results of cells: a sequence with a table, a data frame and leaderboards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

if TYPE_CHECKING:
    import pandas as pd

    from privbench.core.records import Record
    from privbench.rating.board import Board
    from privbench.store.results import Result


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

    @property
    def remarks(self) -> list[str]:
        """What the records mix, and which are missing, by board; cheap, as nothing is rated.

        Raises:
            DataError: results contradict each other.
        """
        from privbench.rating.grouping import by_board
        from privbench.rating.remarks import remarks

        return [
            f"{key.dataset}, {key.model}, {key.scale}: {text}"
            for key, found in by_board(self).items()
            for text in remarks([result.record for result in found])
        ]

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

        from privbench.report.terminal import terminal
        from privbench.report.writers.console import print_results

        out = io.StringIO()
        print_results(self, terminal(file=out, width=width))
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
