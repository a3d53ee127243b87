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


def write_defense(folder, file, name):
    path = folder / file
    path.write_text(
        "from privbench.core.defense import ImageDefense\n"
        "from privbench.core.registry import register\n\n"
        f"@register({name!r})\nclass Mirror(ImageDefense):\n    'A test.'\n"
    )
    return f"{path}:Mirror"


@pytest.mark.parametrize("shipped", [["vim"], []])
def test_a_users_method_may_not_take_a_shipped_name(tmp_path, shipped):
    # Also when the shipped one is not run: records of earlier runs would be overwritten.
    mine = write_defense(tmp_path, "mine.py", "vim")
    for order in ([mine, *shipped], [*shipped, mine]):
        with pytest.raises(UserError, match=r"mine\.py:Mirror is called 'vim'.*@register"):
            make_plan(order, ["lira"], "mnist-5k", "cnn", [0], "smoke")


def test_two_files_may_not_share_a_name(tmp_path):
    both = [write_defense(tmp_path, "one.py", "mirror"), write_defense(tmp_path, "two.py", "mirror")]
    with pytest.raises(UserError, match=r"two\.py:Mirror is called 'mirror'.*one\.py:Mirror"):
        make_plan(both, ["lira"], "mnist-5k", "cnn", [0], "smoke")
    for alone in both:
        plan = make_plan([alone], ["lira"], "mnist-5k", "cnn", [0], "smoke")
        assert "mirror" in {d for d, _, _ in names(plan)}


def test_a_name_may_not_read_like_parameters(tmp_path):
    mine = write_defense(tmp_path, "brackets.py", "vim[window=7]")
    with pytest.raises(UserError, match="brackets"):
        make_plan([mine], ["lira"], "mnist-5k", "cnn", [0], "smoke")


def test_the_same_method_by_path_and_by_name_is_one_row(tmp_path):
    path = tmp_path / "again.py"
    path.write_text("from privbench.defenses.vim import Vim\n")
    plan = make_plan([f"{path}:Vim", "vim"], ["lira"], "mnist-5k", "cnn", [0], "smoke", controls=False)
    assert names(plan) == {("vim", "lira", Game.MEMBERSHIP)}


@pytest.mark.parametrize(
    ("kind", "module", "base", "shipped"),
    [
        ("attack", "privbench.attacks.lira", "Lira", "lira"),
        ("dataset", "privbench.data.datasets.mnist_5k", "Mnist5k", "mnist-5k"),
        ("model", "privbench.models.cnn", "Cnn", "cnn"),
    ],
)
def test_a_subclass_without_a_name_of_its_own_is_refused(tmp_path, kind, module, base, shipped):
    path = tmp_path / f"{kind}.py"
    path.write_text(f"from {module} import {base}\n\nclass Mine({base}):\n    'A test.'\n")
    chosen = {"attack": "lira", "dataset": "mnist-5k", "model": "cnn", kind: f"{path}:Mine"}
    with pytest.raises(UserError, match=f"called '{shipped}'"):
        make_plan(["vim"], [chosen["attack"]], chosen["dataset"], chosen["model"], [0], "smoke")
