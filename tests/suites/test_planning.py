"""Suites are planned before anything is run; methods that do not fit are refused with file, table and key."""

import pytest

from privbench.core.errors import UserError
from privbench.core.options import Options
from privbench.rating.cells import Pairing
from privbench.suites.planning import plan_suite
from privbench.suites.reading import read_suite, shipped

RUN = "title = 'T'\n[[run]]\ndefenses = ['vim']\nattacks = ['confidence']\n"
GUESS = "defense = 'vim'\nattack = 'confidence'\ngame = 'membership'\nmetric = 'auc'\nsource = 'S'\n"
WHOLE = "defense = 'vim'\nmetric = 'utility:accuracy'\nsource = 'S'\n"


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_suite_can_run_and_compares_what_it_runs(name):
    planned = plan_suite(read_suite(name))
    played = set()
    for run in planned.runs:
        plan = run.plan
        board = (plan.source.selector, plan.model.selector, plan.scale, plan.task.selector, str(plan.options))
        for cell in plan.cells:
            pairing = Pairing(cell.game.selector, cell.defense.selector, cell.attack.selector)
            played |= {(board, pairing), (board, Pairing("", cell.defense.selector, ""))}
    for figure, target in planned.figures:
        key = target.board
        board = (key.dataset, key.model, key.scale, key.task, key.options)
        assert (board, target.pairing) in played, figure
        assert figure.value is None or figure.setting, "a printed figure says what it was measured on"


def test_boards_runs_what_the_committed_boards_hold():
    runs = plan_suite(read_suite("boards")).runs
    assert {(r.plan.source.selector, r.plan.seeds, r.plan.scale, r.threads) for r in runs} == {
        (dataset, (0, 1, 2), "small", 1) for dataset in ("mnist-5k", "orl-faces")
    }
    cells = {(c.defense.selector, c.attack.selector, c.game.selector) for r in runs for c in r.plan.cells}
    assert ("vim[key=fixed]", "linkage", "linkage") in cells
    assert ("vim[window=entire]", "restoration[aim=ssim]", "reconstruction") in cells
    assert ("vim[key=fixed]", "restoration[adversary=chosen-inputs]", "reconstruction") in cells
    assert ("vim", "restoration[adversary=chosen-inputs]", "reconstruction") not in cells


def test_a_run_takes_what_it_does_not_say_from_the_defaults(written):
    suite = written(
        "title = 'T'\n[defaults]\nattacks = ['confidence']\nscale = 'smoke'\nseeds = [4]\nepochs = 2\nthreads = 1\n"
        "controls = false\n[[run]]\ndefenses = ['vim']\n"
        "[[run]]\ndefenses = ['blur']\nseeds = [5, 6]\nepochs = 3\nmodel = 'mlp'\n"
    )  # fmt: skip
    first, second = plan_suite(suite).runs
    assert (first.plan.seeds, second.plan.seeds) == ((4,), (5, 6))
    assert (first.plan.options, second.plan.options) == (Options(epochs=2), Options(epochs=3))
    assert (first.plan.model.selector, second.plan.model.selector) == ("cnn", "mlp")
    assert (first.plan.scale, first.threads, len(first.plan.cells)) == ("smoke", 1, 1)


def test_scale_and_seeds_can_be_replaced(written):
    suite = written(f"{RUN}[[figure]]\n{GUESS}")
    planned = plan_suite(suite, "smoke", (7, 8))
    assert (planned.runs[0].plan.scale, planned.runs[0].plan.seeds) == ("smoke", (7, 8))
    assert planned.figures[0][1].board.scale == "smoke"
    assert planned.asked == ("small",)


def test_figures_name_methods_as_the_boards_do(written):
    text = f"{RUN}[[figure]]\n{GUESS.replace('vim', 'vim[window=4]')}optimizer = 'adam'\n[[figure]]\n{WHOLE}unit = '%'\n"
    (_, guess), (_, whole) = plan_suite(written(text)).figures
    assert (guess.pairing, guess.board.options) == (
        Pairing("membership", "vim", "confidence"),
        "optimizer=adam",
    )
    assert (whole.pairing, whole.part, whole.metric) == (Pairing("", "vim", ""), "utility", "accuracy")


BAD_RUNS = [
    ("title = 'T'\n[[run]]\nattacks = ['rmia']", "mine.toml, [[run]] 1: names no defenses"),
    (RUN.replace("'vim'", "'vmi'"), "mine.toml, [[run]] 1, defenses: unknown defense 'vmi'. Did you mean 'vim'"),
    (RUN.replace("'vim'", "'vim[window=0]'"), "mine.toml, [[run]] 1, defenses: defense 'vim': window=0"),
    (RUN.replace("confidence", "confidenc"), "mine.toml, [[run]] 1, attacks: unknown attack"),
    (f"{RUN}model = 'resnt'", "mine.toml, [[run]] 1, model: unknown model 'resnt'"),
    (f"{RUN}task = 'clases'", "mine.toml, [[run]] 1, task: unknown task"),
    (f"{RUN}dataset = 'npz:/no.npz'", "mine.toml, [[run]] 1: no file '/no.npz'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD_RUNS, ids=lambda v: v[-30:])
def test_runs_that_cannot_be(written, text, told):
    with pytest.raises(UserError) as found:
        plan_suite(written(text))
    assert str(found.value).startswith(told)


BAD_FIGURES = [
    (GUESS.replace("'auc'", "'acu'"), "[[figure]] 1, metric: unknown metric 'acu'"),
    (GUESS.replace("'auc'", "'ssim'"), "[[figure]] 1, metric: ssim measures reconstruction"),
    (GUESS.replace("'membership'", "'member'"), "[[figure]] 1, game: unknown game 'member'"),
    (GUESS.replace("'auc'", "'utility:accuracy'"), "[[figure]] 1: utility is the defense's own"),
    (WHOLE.replace("utility:accuracy", "accuracy"), "[[figure]] 1: a figure of a guess needs attack and game"),
    (WHOLE.replace("utility:", "release:"), "[[figure]] 1, metric: accuracy measures utility"),
    (f"{WHOLE}unit = 'dB'", "[[figure]] 1: unknown unit of accuracy: 'dB'"),
    (WHOLE.replace("'vim'", "'vmi'"), "[[figure]] 1, defense: unknown defense 'vmi'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "told"), BAD_FIGURES, ids=lambda v: v[-40:])
def test_figures_that_cannot_be(written, text, told):
    with pytest.raises(UserError) as found:
        plan_suite(written(f"{RUN}[[figure]]\n{text}"))
    assert str(found.value).startswith(f"mine.toml, {told}")
