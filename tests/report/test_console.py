import io

import pytest
from factory import controls, defended, result
from rich.console import Console

from privbench.report.writers.console import print_results
from privbench.store.results import Result


def results():
    return [
        *controls(),
        *defended("vim[window=2]", 26, flags=("below chance",)),
        result("vim[window=2]", "second", status="failed", reason="TrainingDiverged: loss is NaN [bold]"),
        *[
            result("dp-sgd", a, status="not-applicable", reason="exposes no images")
            for a in ("blind", "restoration")
        ],
    ]


def shown(width, terminal=False):
    out = io.StringIO()
    print_results(results(), Console(file=out, width=width, force_terminal=terminal))
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(width):
    assert max(map(len, shown(width).splitlines())) <= width


def test_a_file_gets_no_control_codes_and_a_terminal_gets_colour():
    assert "\x1b" not in shown(100)
    assert "\x1b[31m" in shown(100, terminal=True)


def test_what_is_told():
    text = shown(200)
    assert "26.00 [" in text
    assert "vim[window=2]  accuracy 0.900 [0.880, 0.920], plain model 0.950" in text
    assert "0.900/0.950" in text
    assert "0.800" in text
    assert "BROKEN" in text
    assert "below chance (blind, restoration)" in text
    assert "2 cells do not apply: exposes no images (2)" in text
    assert "failed: second on vim[window=2]: TrainingDiverged: loss is NaN [bold]" in text
    assert "dp-sgd, reconstruction: not exposed: exposes no images" in text
    assert "control" in text
    assert "not a proof" in text


def test_what_every_attack_of_a_game_is_flagged_with_is_said_once():
    out = io.StringIO()
    every = [*controls(), *defended("x", 26)]
    flagged = [
        Result(r.record.model_copy(update={"flags": ("unresolved: tpr",)}), r.columns, r.clusters, r.index)
        for r in every
    ]
    print_results(flagged, Console(file=out, width=100))
    assert out.getvalue().count("unresolved: tpr") == 1
    assert "all: unresolved: tpr" in out.getvalue()


def test_a_pass_on_some_of_the_games_is_not_green():
    text = shown(100, terminal=True)
    assert "on 1 of 4 games" in text
    assert "\x1b[32m" not in text
