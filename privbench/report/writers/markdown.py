"""A board as a markdown page, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from privbench.core.records import Figure
from privbench.core.seeds import seed_list
from privbench.rating.board import Board
from privbench.report.columns.defenses import defense_columns
from privbench.report.columns.number_forms import Measured
from privbench.report.legend import legend
from privbench.report.text import code, escape
from privbench.report.writers.markdown_game import game_markdown
from privbench.report.writers.markdown_table import Notes, lay_out, markdown_table


def board_markdown(board: Board) -> str:
    """The page."""
    key = board.key
    notes = Notes()
    defenses = lay_out(defense_columns(board), board.defenses, notes)
    parts = [
        f"# Leaderboard: {code(key.dataset)}\n",
        _setting(board),
        f"{defenses}\n{notes}" if str(notes) else defenses,
        legend(board),
        f"![Privacy against utility]({board.slug}.png)\n",
        _deployments(board),
        *(game_markdown(board, game) for game in board.games),
        _provenance(board),
    ]
    return "\n".join(part for part in parts if part)


def _setting(board: Board) -> str:
    key = board.key
    setting = f"Model {code(key.model)}, scale {key.scale}, protocol {key.protocol}"
    if key.unusual:
        setting += f", {code(key.unusual)}"
    return f"{setting}, seeds {seed_list(board.seeds)}.\n"


def _deployments(board: Board) -> str:
    used = sorted({m for row in board.defenses for m in row.utility})
    utility = [
        [code(row.defense), *_figures(row.utility, used), *_figures(row.plain_utility, used)]
        for row in board.defenses
        if row.utility
    ]
    header = ["Defense", *map(escape, used), *(f"{escape(m)}, plain model" for m in used)]
    parts = [f"## Utility\n\n{markdown_table(header, utility)}"] if utility else []
    seen = sorted({m for row in board.defenses for m in row.release})
    release = [[code(row.defense), *_figures(row.release, seen)] for row in board.defenses if row.release]
    if release:
        parts.append(f"## Released images\n\n{markdown_table(['Defense', *map(escape, seen)], release)}")
    return "\n".join(parts)


def _figures(figures: Mapping[str, Figure], names: Sequence[str]) -> list[str]:
    return [Measured().markdown(figures.get(name)) for name in names]


def _provenance(board: Board) -> str:
    records = board.records
    told = {
        "privbench": sorted({r.provenance.versions.get("privbench", "unknown") for r in records}),
        "code": sorted({r.provenance.git or "no git" for r in records}),
        "device": sorted({r.provenance.device for r in records}),
        "instructions": sorted({r.provenance.instructions or "not recorded" for r in records}),
    }
    listed = "; ".join(f"{name} {', '.join(map(escape, values))}" for name, values in told.items())
    mixed = (
        "**These records come from several states of the code**, so that rows may differ "
        "for that reason alone; run everything again with one state to be sure.\n\n"
        if len(told["code"]) > 1
        else ""
    )
    told_of = "".join(f"- {escape(remark)}.\n" for remark in board.remarks)
    remarks = f"## Remarks on the records\n\n{told_of}\n" if told_of else ""
    return (
        f"{remarks}{mixed}Provenance: {len(records)} records; protocol {board.key.protocol}; {listed}; "
        f"seeds {seed_list(board.seeds)}; hash over what the records say {code(board.fingerprint)}.\n"
    )
