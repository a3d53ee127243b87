import pytest

from privbench.core.errors import UserError
from privbench.core.threat import Game
from privbench.runner.plan import dataset_source, make_plan


def names(plan):
    return {(c.defense.selector, c.attack.selector, c.game) for c in plan.cells}


def test_families_expand_and_controls_come_along():
    plan = make_plan(["vim"], ["membership"], "mnist-5k", "cnn", [0, 1, 0], "smoke")
    cells = names(plan)
    assert {d for d, _, _ in cells} == {"vim", "none", "blackout"}
    assert {a for _, a, _ in cells} >= {
        "blind",
        "lira",
        "rmia",
        "loss-threshold",
        "confidence",
        "shadow-classifier",
    }
    assert {g for _, _, g in cells} == {Game.MEMBERSHIP}
    assert plan.seeds == (0, 1)


def test_without_controls_only_what_was_asked():
    plan = make_plan(["vim"], ["lira"], "mnist-5k", "cnn", [0], "smoke", controls=False)
    assert names(plan) == {("vim", "lira", Game.MEMBERSHIP)}


def test_the_same_selector_twice_is_one_row():
    plan = make_plan(
        ["vim", "vim[window=4]", "vim[window=7]"], ["lira"], "mnist-5k", "cnn", [0], "smoke", controls=False
    )
    assert {d for d, _, _ in names(plan)} == {"vim", "vim[window=7]"}


def test_all_expands_to_every_method():
    plan = make_plan(["all"], ["all"], "mnist-5k", "cnn", [0], "smoke")
    assert {g for _, _, g in names(plan)} == set(Game)


def test_cells_that_do_not_apply_say_why():
    plan = make_plan(["dp-sgd"], ["reconstruction"], "mnist-5k", "cnn", [0], "smoke", controls=False)
    assert all(cell.reason for cell in plan.cells)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["vmi"], ["lira"], "mnist-5k", "cnn", [0], "smoke"), "'vim'"),
        ((["vim"], ["membershp"], "mnist-5k", "cnn", [0], "smoke"), "unknown attack"),
        ((["vim"], ["lira"], "npz:/no/such/file.npz", "cnn", [0], "smoke"), "/no/such/file.npz"),
        ((["vim"], ["lira"], "npz", "cnn", [0], "smoke"), "npz:PATH"),
        ((["vim"], ["lira"], "mnist-5k:/tmp", "cnn", [0], "smoke"), "takes no path"),
        ((["vim"], ["lira"], "mnist-5k", "cnn", [-1], "smoke"), "seed"),
        (([], ["lira"], "mnist-5k", "cnn", [0], "smoke"), "nothing to run"),
    ],
)
def test_mistakes_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        make_plan(*arguments)


def test_path_datasets_take_their_options(tmp_path):
    (tmp_path / "x").mkdir()
    source = dataset_source(f"imagefolder:{tmp_path}/x[size=32]")
    assert source.path == f"{tmp_path}/x"
    assert source.size == 32
