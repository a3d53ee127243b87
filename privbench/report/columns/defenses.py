"""The columns of the table of defenses."""

from __future__ import annotations

from typing import Any, TypeAlias

from privbench.rating.board import Board
from privbench.rating.defense_rows import DefenseRow
from privbench.rating.rating import Rating
from privbench.rating.remarks import mixed_defenses
from privbench.report.columns.column import Column
from privbench.report.columns.forms import Form, Listed, Seeds, Selector, Words, YesNo
from privbench.report.columns.number_forms import (
    LEAKAGE,
    Factor,
    Guarantee,
    Leakage,
    Measured,
    Number,
    Seconds,
)
from privbench.report.text import DASH, code, escape, number, spread

DefenseColumn: TypeAlias = Column[DefenseRow, Any]


_MIXED = "mixed code: its records were made with different versions of this defense"


class _Rank(Form[DefenseRow]):
    """Controls have none, as what is not rated; machines see which from other columns."""

    def text(self, value: DefenseRow) -> str:
        return "control" if value.control else "" if value.rank is None else str(value.rank)

    def csv(self, value: DefenseRow) -> list[str]:
        return ["" if value.rank is None else str(value.rank)]


class _Status(Form[DefenseRow]):
    """The verdict with what it rests on; a control's would be none, and is told to machines only.

    Fills status, the games that were played and those that were not, scale, marks.
    """

    def text(self, value: DefenseRow) -> str:
        return " ".join(self._parts(value))

    def console(self, value: DefenseRow, *, roomy: bool) -> str:
        return "\n".join(self._parts(value))

    def csv(self, value: DefenseRow) -> list[str]:
        basis = value.basis
        missing = " ".join(basis.missing) if basis.known else "unknown"
        return [value.overall.status, " ".join(basis.played), missing, basis.scale, "; ".join(value.marks)]

    def _parts(self, value: DefenseRow) -> list[str]:
        if value.control:
            return [""]
        rests = [f"on {value.basis.games}"] if value.overall.leakage else []
        return [value.overall.status, *rests, *(f"({mark})" for mark in value.marks)]


class _By(Form[Rating]):
    """The strongest attack and the metric by which it is; fills game, attack, metric."""

    def text(self, value: Rating) -> str:
        return f"{value.attack}, {value.metric}" if value.leakage else ""

    def console(self, value: Rating, *, roomy: bool) -> str:
        gap = " " if roomy else "\n"
        return f"{value.attack},{gap}{value.metric}" if value.leakage else DASH

    def markdown(self, value: Rating) -> str:
        return f"{code(value.attack)}, {escape(value.metric)}" if value.leakage else DASH

    def csv(self, value: Rating) -> list[str]:
        return [value.game or "", value.attack, value.metric]


class _InGame(Form[Rating]):
    """How a defense fares in one game; fills status, reason and ``LEAKAGE``."""

    def text(self, value: Rating) -> str:
        return f"{spread(value.leakage)}, {value.attack}" if value.leakage else ""

    def markdown(self, value: Rating) -> str:
        if value.leakage is not None:
            return f"{spread(value.leakage)}, {code(value.attack)}"
        return "UNRATED" if value.status == "UNRATED" else DASH

    def csv(self, value: Rating) -> list[str]:
        return [value.status, value.reason, *Leakage().csv(value.leakage)]


class _Kept(Form[DefenseRow]):
    """The utility and the plain model's."""

    def text(self, value: DefenseRow) -> str:
        mine, plain = (part.get(value.utility_metric) for part in (value.utility, value.plain_utility))
        if mine is None or mine.value is None:
            return ""
        return f"{number(mine.value)}/{number(plain.value) if plain else '?'}"

    def console(self, value: DefenseRow, *, roomy: bool) -> str:
        return (self.text(value) if roomy else self.text(value).replace("/", "/\n")) or DASH


def defense_columns(board: Board) -> list[DefenseColumn]:
    """The columns of ``board``'s table of defenses, in order."""
    mixed = mixed_defenses(board.records)
    return [
        Column(_Rank(), lambda row: row, "rank", "Rank", ("rank",)),
        Column(
            Selector(), lambda row: row.defense, "defense", "Defense", ("defense",),
            notes=lambda row: (_MIXED,) if row.defense in mixed else (),
        ),
        Column(YesNo(), lambda row: row.control, csv=("control",)),
        Column(
            _Status(), lambda row: row, "status", "Status",
            ("status", "games_played", "games_not_played", "scale", "marks"), notes=_status_notes,
        ),
        Column(Words(), lambda row: row.overall.reason, csv=("reason",)),
        Column(
            Leakage(), lambda row: row.overall.leakage, "leakage", "Worst case", LEAKAGE,
            notes=lambda row: (row.overall.reason,),
        ),
        Column(Number(), _bound, "bound", "Bound"),
        Column(_By(), lambda row: row.overall, "by", "By", ("game", "attack", "metric")),
        Column(Seeds(), lambda row: row.overall.seeds, csv=("seeds",)),
        *(_game_column(game) for game in board.games),
        Column(Words(), lambda row: row.utility_metric, csv=("utility_metric",)),
        Column(_Kept(), lambda row: row, console="utility/\nplain"),
        Column(
            Measured(), lambda row: row.utility.get(row.utility_metric),
            markdown=board.utility_metric.capitalize(), csv=_mean("utility"),
        ),
        Column(Measured(), lambda row: row.plain_utility.get(row.utility_metric), csv=_mean("plain_utility")),
        Column(
            Number(), lambda row: row.relative_utility, markdown="Relative utility", csv=("relative_utility",)
        ),
        Column(
            Guarantee(), lambda row: row.guarantee, "guarantee", "Guarantee",
            ("epsilon", "delta", "guarantee"),
        ),
        Column(Factor(), lambda row: row.fit_slowdown, markdown="Training", csv=("training_slowdown",)),
        Column(
            Factor(), lambda row: row.inference_slowdown, markdown="Inference", csv=("inference_slowdown",)
        ),
        Column(
            Number(), lambda row: row.inference_microseconds, markdown="µs an image",
            csv=("inference_us_per_image",),
        ),
        Column(Seconds(), lambda row: row.attack_seconds, markdown="Attacks", csv=("attack_seconds",)),
        Column(YesNo(), lambda row: row.defense in mixed, csv=("mixed_code",)),
        Column(Listed(), lambda row: row.overall.notes, csv=("notes",)),
    ]  # fmt: skip


def _game_column(game: str) -> DefenseColumn:
    names = tuple(f"{game}_{part}" for part in ("status", "reason", *LEAKAGE))
    return Column(
        _InGame(), lambda row: row.games[game], "", game.capitalize(), names,
        notes=lambda row: (row.games[game].reason,),
    )  # fmt: skip


def _status_notes(row: DefenseRow) -> tuple[str, ...]:
    if row.control or not row.basis.missing:
        return row.overall.notes
    return (f"not played, and applies: {', '.join(row.basis.missing)}", *row.overall.notes)


def _bound(row: DefenseRow) -> float | None:
    return row.overall.leakage.bound if row.overall.leakage else None


def _mean(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{part}" for part in ("mean", "low", "high"))
