"""A board as one picture: what a defense keeps private against what it leaves usable."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from privbench.core.controls import NULL
from privbench.core.records import Figure as Measurement
from privbench.rating.board import Board
from privbench.rating.defense_rows import DefenseRow
from privbench.rating.rating import BROKEN_ABOVE
from privbench.report.columns.number_forms import Leakage, Measured
from privbench.report.figures.png import write_png
from privbench.report.text import exact

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7b3294", "#8c564b")
_SHAPES = "osD^vPX*"
_CODE = ("report/figures/pareto.py",)


def write_pareto(board: Board, path: Path) -> Path:
    """Write the picture of ``board`` to ``path``, where it is not there already; return the path."""
    # Rounded, so that rounding errors are no difference.
    shown = [
        (row.defense, _remark(row), Leakage().csv(row.overall.leakage), Measured().csv(_utility(row)))
        for row in board.defenses
    ]
    whole = repr((board.key, board.utility_metric, exact(board.resolution()), shown))
    return write_png(path, whole, lambda: _draw(board), _CODE)


def _draw(board: Board) -> Figure:
    """Privacy (one minus the bound on leakage) against utility, a point for each rated defense.

    Bars are two-sided 95% intervals. Points are numbered; the legend names them, in the order of
    the board.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    drawn: list[tuple[float, float]] = []
    for row in board.defenses:
        utility = _utility(row)
        leak = row.overall.leakage
        if leak is None or utility is None or utility.value is None:
            continue
        place = len(drawn)
        x, y = utility.value, 1 - leak.bound
        low, high = utility.low, utility.high
        xerr = None if low is None or high is None else [[max(0.0, x - low)], [max(0.0, high - x)]]
        yerr = [[max(0.0, leak.high - leak.bound)], [max(0.0, leak.bound - leak.low)]]
        axes.errorbar(
            x, y, xerr=xerr, yerr=yerr, color="0.35" if row.control else _COLOURS[place % len(_COLOURS)],
            marker=_SHAPES[(place + place // len(_COLOURS)) % len(_SHAPES)], markersize=8, capsize=3,
            elinewidth=1, linestyle="none", markerfacecolor="white" if _remark(row) else None, clip_on=False,
            label=f"{place + 1}  {row.defense}{_remark(row)}",
        )  # fmt: skip
        drawn.append((x, y))
    axes.set(
        ylim=(-0.03, 1.03),
        xlabel=f"utility: {board.utility_metric}",
        ylabel="privacy: 1 − bound on worst-case leakage",
    )
    axes.set_title(f"{board.key.dataset}, {board.key.model}, {board.key.scale}")
    axes.axhspan(-0.03, 1 - BROKEN_ABOVE, color="0.93", zorder=0, label="broken or inconclusive")
    if (least := board.resolution()) is not None:
        axes.axhline(1 - least, color="0.5", linestyle=":", linewidth=1, zorder=0, label=f"{NULL}'s bound")
    axes.grid(color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    if drawn:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
        figure.canvas.draw()
        _number(axes, drawn)
    else:
        axes.text(0.5, 0.5, "no defense is rated", ha="center", transform=axes.transAxes)
    return figure


def _utility(row: DefenseRow) -> Measurement | None:
    return row.utility.get(row.utility_metric)


def _remark(row: DefenseRow) -> str:
    if row.control:
        return " (control)"
    return " (inconclusive)" if row.overall.status == "INCONCLUSIVE" else ""


def _number(axes: Any, points: list[tuple[float, float]]) -> None:
    """Write each point's number beside it, where neither points nor other numbers are."""
    offsets = [
        (9, 7),
        (9, -14),
        (-16, 7),
        (-16, -14),
        (22, 7),
        (22, -14),
        (-30, 7),
        (-30, -14),
        (0, 20),
        (0, -28),
    ]
    offsets += [(9 + 13 * k, 22) for k in range(12)]
    pixels = [tuple(axes.transData.transform(p)) for p in points]
    taken: list[tuple[float, float]] = list(pixels)
    for place, (x, y) in enumerate(pixels):
        free = [(dx, dy) for dx, dy in offsets if all(_apart(x + dx + 4, y + dy + 4, *t) for t in taken)]
        dx, dy = free[0] if free else offsets[-1]
        taken.append((x + dx + 4, y + dy + 4))
        axes.annotate(
            str(place + 1), points[place], xytext=(dx, dy), textcoords="offset pixels", fontsize=8,
            annotation_clip=False,
        )  # fmt: skip


def _apart(x: float, y: float, other_x: float, other_y: float) -> bool:
    return abs(x - other_x) > 11 or abs(y - other_y) > 11
