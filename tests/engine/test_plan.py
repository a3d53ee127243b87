import pytest

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.defense import ImageDefense, TrainingDefense
from privbench.core.errors import UserError
from privbench.core.options import Options
from privbench.core.registry import register
from privbench.core.threat import Knowledge
from privbench.engine.plan import make_plan
from privbench.engine.selection import dataset_source, method_of
from privbench.games.membership import MembershipAttack


def names(plan):
    return {(c.defense.selector, c.attack.selector, c.game.selector) for c in plan.cells}


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
    assert {g for _, _, g in cells} == {"membership"}
    assert plan.seeds == (0, 1)


def test_without_controls_only_what_was_asked():
    plan = make_plan(["vim"], ["lira"], "mnist-5k", "cnn", [0], "smoke", controls=False)
    assert names(plan) == {("vim", "lira", "membership")}


def test_the_same_selector_twice_is_one_row():
    plan = make_plan(
        ["vim", "vim[window=4]", "vim[window=7]"], ["lira"], "mnist-5k", "cnn", [0], "smoke", controls=False
    )
    assert {d for d, _, _ in names(plan)} == {"vim", "vim[window=7]"}


def test_all_expands_to_every_method():
    plan = make_plan(["all"], ["all"], "mnist-5k", "cnn", [0], "smoke")
    assert {g for _, _, g in names(plan)} == set(registry.names("game"))


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
        "    def protect(self, images, keys):\n        return images.flip(-1)\n"
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
    assert names(plan) == {("vim", "lira", "membership")}


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


def test_instances_and_classes_are_methods_too():
    by_text = make_plan(["vim[window=7]"], ["lira"], scale="smoke", controls=False)
    vim, lira = type(by_text.cells[0].defense), registry.find("attack", "lira")
    by_class = make_plan([vim(window=7)], [lira], scale="smoke", controls=False)
    assert by_class == by_text
    with pytest.raises(UserError, match="is no attack"):
        make_plan([vim], [vim], scale="smoke")
    with pytest.raises(UserError, match="is no defense"):
        method_of("defense", 3)


def test_options_and_task_are_the_runs():
    options = Options(epochs=5, optimizer="adam")
    plan = make_plan(["vim"], ["lira"], task="classes", scale="smoke", options=options)
    assert (plan.task.selector, str(plan.options)) == ("classes", "epochs=5,optimizer=adam")


def test_every_game_comes_with_its_floors():
    plan = make_plan(["vim"], ["reconstruction", "linkage"], scale="smoke")
    floors = {(c.attack.selector, c.game.selector) for c in plan.cells if c.attack.registry_name == "blind"}
    assert floors == {
        ("blind", "linkage"),
        ("blind", "reconstruction"),
        ("blind[aim=ssim]", "reconstruction"),
    }


def test_an_attack_that_reads_models_of_another_task_does_not_apply():
    plan = make_plan(["vim"], ["lira", "window-mean"], task="attributes", scale="smoke", controls=False)
    reasons = {c.attack.selector: c.reason for c in plan.cells}
    assert reasons["lira"] == "reads models of the task classes; this run teaches attributes"
    assert reasons["window-mean"] is None


@register("exposes-more")
class ExposesMore(ImageDefense):
    """Says that it exposes what it does not."""

    what: str = "echoes"

    @property
    def exposes(self):
        return self.surfaces | {self.what}

    def protect(self, images, keys):
        return images


def test_a_surface_that_nothing_builds_is_refused_with_what_to_write():
    with pytest.raises(UserError) as caught:
        make_plan([ExposesMore()], ["lira"], scale="smoke")
    message = str(caught.value)
    for part in (
        "'exposes-more'",
        "'echoes'",
        "privbench.Surface",
        "@register('echoes')",
        "surfaces/echoes.py",
    ):
        assert part in message


@pytest.mark.parametrize(
    ("surface", "method", "base"),
    [("features", "encode", "EncoderDefense"), ("updates", "client_update", "FederatedDefense")],
)
def test_a_surface_without_its_method_is_refused_with_the_base_to_derive_from(surface, method, base):
    with pytest.raises(UserError, match=rf"'exposes-more.* does not define {method}\. Derive it from {base}"):
        make_plan([ExposesMore(what=surface)], ["lira"], scale="smoke")


@register("no-protect")
class NoProtect(TrainingDefense):
    """Exposes images without protecting any."""

    surfaces = frozenset({"images"})


def test_images_without_protect_are_refused():
    with pytest.raises(UserError, match=r"does not define protect\. Derive it from ImageDefense"):
        make_plan([NoProtect()], ["window-mean"], scale="smoke")


@register("declares")
class Declares(Attack):
    """Declares whatever a test wants."""

    games = frozenset({"membership"})
    surface: str = "scores"
    assumes: str = ""
    asks: int = 0
    plays_game: str = "membership"

    @property
    def plays(self):
        return frozenset({self.plays_game})

    @property
    def required_surfaces(self):
        return frozenset({self.surface})

    @property
    def required_knowledge(self):
        return frozenset(map(Knowledge, filter(None, [self.assumes])))

    @property
    def required_pairs(self):
        return self.asks

    def guess(self, view, challenge):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (
            {"surface": "images"},
            "declares images in `needs`, which the membership game does not show.*scores",
        ),
        ({"surface": "sores"}, "declares sores in `needs`"),
        ({"assumes": "known pairs"}, "declares known pairs and asks for none: set `pairs`"),
        ({"asks": 3}, "asks for 3 known pairs and does not declare them: add Knowledge.KNOWN_PAIRS"),
        ({"plays_game": "membershp"}, "unknown game 'membershp'. Did you mean 'membership'.*`games`"),
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(declared, message):
    with pytest.raises(UserError, match=message):
        make_plan(["vim"], [Declares(**declared)], scale="smoke", controls=False)


def test_known_pairs_that_are_asked_for_are_planned():
    plan = make_plan(["vim"], [Declares(assumes="known pairs", asks=3)], scale="smoke", controls=False)
    assert [cell.reason for cell in plan.cells] == [None]


def test_a_method_without_a_name_is_refused():
    class Nameless(MembershipAttack):
        def guess(self, view, challenge):
            raise NotImplementedError

    with pytest.raises(UserError, match=r"Nameless has no name\. Decorate the class with @register"):
        make_plan(["vim"], [Nameless], scale="smoke")


def test_what_applies_to_nothing_that_was_asked_for_is_not_played_on_controls():
    plan = make_plan(["dp-sgd"], ["confidence", "window-mean"])
    played = {(cell.defense.selector, cell.attack.selector): cell.reason for cell in plan.cells}
    assert played["dp-sgd", "window-mean"] is not None
    assert played["none", "confidence"] is None
    assert ("none", "window-mean") not in played
    asked = make_plan(["dp-sgd", "none"], ["window-mean"])
    assert ("none", "window-mean") in {(c.defense.selector, c.attack.selector) for c in asked.cells}
