"""The columns of the tables of attacks: a row for each attack on a defense, or for each of its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from privbench.core.controls import is_floor
from privbench.core.records import Figure
from privbench.rating.board import Board
from privbench.rating.cell_rows import CellRow
from privbench.rating.certification import UNFINISHED, Certificate, unfinished
from privbench.rating.leakage import greatest
from privbench.report.columns.column import Column
from privbench.report.columns.forms import Listed, Seeds, Selector, Words, YesNo
from privbench.report.columns.number_forms import LEAKAGE, Brief, Leakage, Measured, Queries, Seconds
from privbench.report.text import number


class AttackLine(NamedTuple):
    """A row: a cell, or one metric of it where each metric has a row of its own."""

    cell: CellRow
    metric: str = ""

    @property
    def figure(self) -> Figure | None:
        """The figure of the row's metric."""
        return self.cell.figures.get(self.metric)


AttackColumn: TypeAlias = Column[AttackLine, Any]
_Certificates: TypeAlias = "Mapping[tuple[str, str, str], Certificate]"


def attack_columns(board: Board, metrics: Sequence[str] = ()) -> list[AttackColumn]:
    """The columns of ``board``'s tables of attacks, in order, with one for each of ``metrics``.

    Console and markdown have a row for each cell; CSV has one for each metric of a cell.
    """
    known = {(c.game, c.attack, c.metric): c for c in board.certificates}
    without = "" if board.has_controls else "no controls"
    several = len({m for cell in board.cells for m in cell.leakage if m in metrics}) > 1
    flags: AttackColumn = Column(
        Listed(), lambda line: line.cell.flags, "", "Flags", ("flags",),
        notes=lambda line: (line.cell.reason,),
    )  # fmt: skip
    return [
        Column(Words(), lambda line: line.cell.pairing.game, csv=("game",)),
        Column(Selector(), lambda line: line.cell.pairing.defense, "", "Defense", ("defense",)),
        Column(Selector(), lambda line: line.cell.pairing.attack, "attack", "Attack", ("attack",)),
        Column(Words(), lambda line: line.cell.status, csv=("status",)),
        Column(Words(), lambda line: line.cell.reason, csv=("reason",)),
        Column(Words(), lambda line: line.metric, csv=("metric",)),
        Column(Measured(), lambda line: line.figure, csv=("mean", "low", "high")),
        Column(Words(), lambda line: str(line.figure.n) if line.figure else "", csv=("n",)),
        *(_metric_column(name, headline=not place) for place, name in enumerate(metrics)),
        Column(Leakage(), lambda line: line.cell.leakage.get(line.metric), csv=LEAKAGE),
        Column(Leakage(), _worst_leakage, markdown="Leakage"),
        Column(Words(), lambda line: (line.cell.worst() or ("",))[0], markdown="By"),
        Column(Words(), lambda line: without or _counted(line, known, several=several), console="leakage"),
        Column(Words(), lambda line: without or _rates_by(line, known), markdown="Rates by"),
        Column(YesNo(), lambda line: _certified(line, known), csv=("certified",)),
        Column(Words(), lambda line: _certification(line, known), csv=("certification",)),
        replace(flags, markdown=""),
        Column(Queries(), lambda line: line.cell.queries, "", "Queries", ("queries",)),
        Column(Seconds(), _attack_seconds, "time", "Time", ("attack_seconds",)),
        replace(flags, csv=()),
        Column(Seeds(), lambda line: line.cell.seeds, csv=("seeds",)),
        Column(Words(), lambda line: line.figure.note if line.figure else "", csv=("note",)),
    ]


def _metric_column(name: str, *, headline: bool) -> AttackColumn:
    def note(line: AttackLine) -> tuple[str, ...]:
        figure = line.cell.figures.get(name)
        return (f"{name}: {figure.note}",) if figure and figure.note else ()

    form = Measured() if headline else Brief()
    return Column(form, lambda line: line.cell.figures.get(name), name, name, notes=note)


def _worst_leakage(line: AttackLine) -> Any:
    worst = line.cell.worst()
    return worst[1] if worst else None


def _attack_seconds(line: AttackLine) -> float | None:
    return line.cell.seconds if line.cell.seeds else None


def _certified_metrics(line: AttackLine, known: _Certificates) -> list[str]:
    game, _, attack = line.cell.pairing
    return [m for (g, a, m), c in known.items() if c.certified and (g, a) == (game, attack)]


def _rates_by(line: AttackLine, known: _Certificates) -> str:
    if is_floor(line.cell.pairing.attack):
        return "floor"
    if unfinished(line.cell.flags):
        return "not certified"
    return ", ".join(_certified_metrics(line, known)) or "not certified"


def _counted(line: AttackLine, known: _Certificates, *, several: bool) -> str:
    """The greatest leakage by a metric that counts, with the metric's name where there are several."""
    counts = _certified_metrics(line, known)
    counted = {m: leak.value for m, leak in line.cell.leakage.items() if m in counts}
    if is_floor(line.cell.pairing.attack) or not counted:
        return "floor" if is_floor(line.cell.pairing.attack) else "not certified"
    name = greatest(counted)
    return f"{number(counted[name])} {name}" if several else number(counted[name])


def _certified(line: AttackLine, known: _Certificates) -> bool | None:
    game, _, attack = line.cell.pairing
    certificate = known.get((game, attack, line.metric))
    if certificate is None or is_floor(attack):
        return None
    return certificate.certified and not unfinished(line.cell.flags)


def _certification(line: AttackLine, known: _Certificates) -> str:
    game, _, attack = line.cell.pairing
    if line.metric and is_floor(attack):
        return "the floor"
    certificate = known.get((game, attack, line.metric))
    if certificate and certificate.certified and unfinished(line.cell.flags):
        return UNFINISHED
    return certificate.reason if certificate else ""
