"""Every column is shown by some writer, and machines can tell all of them apart."""

import csv
import io
from dataclasses import replace

import pytest
from factory import controls, defended, result
from rich.console import Console

from privbench.rating.board import make_boards
from privbench.report.columns.attacks import AttackLine, attack_columns
from privbench.report.columns.column import Column
from privbench.report.columns.defenses import defense_columns
from privbench.report.columns.forms import Selector, Words
from privbench.report.columns.number_forms import LEAKAGE, Guarantee, Leakage, Number, Queries
from privbench.report.writers import console as console_writer
from privbench.report.writers.csv import lay_out_csv as csv_of
from privbench.report.writers.markdown_table import Notes, lay_out


@pytest.fixture(scope="module")
def board():
    failed = result("x", "second", status="failed", reason="boom")
    (found,) = make_boards(
        [*controls(), *defended("x", 18, guarantee={"epsilon": 8.0, "delta": 1e-5}), failed]
    )
    return found


def tables(board):
    lines = [AttackLine(cell, metric) for cell in board.cells for metric in ("psnr", "")]
    return [
        (defense_columns(board), board.defenses),
        (attack_columns(board, board.metrics["reconstruction"]), lines),
    ]


def test_every_column_is_shown_by_some_writer(board):
    for columns, _ in tables(board):
        assert all(column.console or column.markdown or column.csv for column in columns)


def test_machines_can_tell_all_columns_apart(board):
    for columns, _ in tables(board):
        names = [name for column in columns for name in column.csv]
        assert len(names) == len(set(names)) > 15


def test_every_form_fills_just_the_csv_columns_that_are_named(board):
    for columns, rows in tables(board):
        for column in columns:
            if column.csv:
                assert {len(column.form.csv(column.read(row))) for row in rows} == {len(column.csv)}


def test_one_declaration_reaches_every_writer(monkeypatch, board):
    # A column more: all three writers show it without a change of theirs.
    extra = Column(Selector(), lambda row: row.defense.upper(), "shout", "Shout", ("shout",))
    columns = [extra, *defense_columns(board)]
    assert lay_out(columns, board.defenses, Notes()).splitlines()[2].startswith("| `X` |")
    assert [row["shout"] for row in csv.DictReader(io.StringIO(csv_of(columns, board.defenses)))] == ["X", "BLACKOUT", "NONE"]  # fmt: skip
    monkeypatch.setattr(console_writer, "defense_columns", lambda board: columns)
    out = io.StringIO()
    console_writer._print_defenses(board, Console(file=out, width=200))
    assert "BLACKOUT" in out.getvalue()
    hidden = [replace(extra, console="", csv=()), *defense_columns(board)]
    assert "shout" not in csv_of(hidden, board.defenses)


def test_forms_by_hand():
    assert Words().markdown("a|b") == "a\\|b"
    assert Words().markdown("") == "—"
    assert Number().csv(1 / 3) == ["0.333333"]
    assert Number().markdown(None) == "—"
    assert Leakage().csv(None) == [""] * len(LEAKAGE)
    assert Queries().csv({"scores": 2.5, "protect": 1.0}) == ["scores 2.5; protect 1"]
    assert Queries().markdown({}) == "0"
    guarantee = {"epsilon": 8.0, "delta": 1e-5}
    assert Guarantee().csv(guarantee) == ["8.0", "1e-05", '{"delta": 1e-05, "epsilon": 8.0}']
    assert Guarantee().console(guarantee, roomy=False) == ""
