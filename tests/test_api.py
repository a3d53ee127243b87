"""privbench as a library: runs with selectors, instances and classes, in a script and in a notebook's cells."""

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
import torch

import privbench
from privbench.core.errors import UserError
from privbench.core.method import Method
from privbench.core.registry import KINDS
from privbench.games.reconstruction import ReconstructionAttack
from privbench.rating.board import Board
from privbench.report.results import Results

QUICK = {"scale": "smoke", "model": "mlp", "controls": False}


@privbench.register("dim")
class Dim(privbench.ImageDefense):
    """Dims images."""

    weight: float = 0.5

    def protect(self, images: torch.Tensor, keys: privbench.Keys) -> torch.Tensor:
        return images * self.weight


@privbench.register("brighten")
class Brighten(ReconstructionAttack):
    """Undoes a dimming."""

    gain: float = 2.0

    def guess(self, view, challenge):
        return (challenge.released * self.gain).clamp(0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def results(folder) -> Results:
    """An instance and a selector, against a class and a selector."""
    heard: list[str] = []
    found = privbench.run(
        [Dim(weight=0.25), "pixelate"],
        [Brighten, "window-mean"],
        out=folder,
        progress=lambda done, total, text: heard.append(f"{done}/{total}"),
        **QUICK,
    )
    assert heard == ["0/4", "1/4", "2/4", "3/4", "4/4"]
    return found


def test_instances_classes_and_selectors_are_rows(results):
    assert [(r.cell.defense, r.cell.attack) for r in results.records] == [
        ("dim[weight=0.25]", "brighten"),
        ("dim[weight=0.25]", "window-mean"),
        ("pixelate", "brighten"),
        ("pixelate", "window-mean"),
    ]
    assert results.failed == []


def test_results_are_a_sequence(results):
    assert len(results) == 4
    assert isinstance(results[0], privbench.Result)
    assert [r.record.key for r in results[2:]] == [r.record.key for r in list(results)[2:]]
    assert isinstance(results[2:], Results)
    assert len(results[:1] + results[3:]) == 2
    assert "4 results" in repr(results)
    assert "failed" not in repr(results)


def test_a_data_frame_has_a_row_for_each_cell_and_metric(results):
    frame = results.to_pandas()
    figures = [(r.cell.defense, r.cell.attack, name) for r in results.records for name in r.figures]
    assert list(zip(frame["defense"], frame["attack"], frame["metric"], strict=True)) == figures
    ssim = frame[(frame["metric"] == "ssim") & (frame["attack"] == "window-mean")]
    assert (ssim["low"] <= ssim["value"]).all()
    assert (ssim["value"] <= ssim["high"]).all()


def test_tables_and_boards_show_every_row(results, tmp_path):
    assert "dim[weight=0.25]" in results.table()
    assert max(map(len, results.table(width=80).splitlines())) <= 80
    written = results.leaderboard(tmp_path)
    assert {path.suffix for path in written} == {".md", ".csv", ".png"}
    assert any("pixelate" in path.read_text() for path in written if path.suffix == ".csv")


def test_what_was_run_is_loaded_again(results, folder):
    loaded = privbench.load(folder)
    assert {r.record.key: r.record.figures for r in loaded} == {
        r.record.key: r.record.figures for r in results
    }
    for mine, kept in zip(
        results,
        sorted(loaded, key=lambda r: [m.record.key for m in results].index(r.record.key)),
        strict=True,
    ):
        assert mine.columns.keys() == kept.columns.keys()


def test_results_are_kept_and_not_played_again(results, folder):
    again = privbench.run(Dim(weight=0.25), Brighten, out=folder, **QUICK)
    assert again[0].record.cost == results[0].record.cost


def test_a_failure_is_a_result(folder):
    @privbench.register("breaks")
    class Breaks(ReconstructionAttack):
        """Fails."""

        def guess(self, view, challenge):
            raise ZeroDivisionError

    found = privbench.run("pixelate", [Breaks(), Brighten], out=folder, **QUICK)
    assert [record.cell.attack for record in found.failed] == ["breaks"]
    assert "ZeroDivisionError" in found.failed[0].reason
    assert "1 failed" in repr(found)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"defense": "vmi"}, "'vim'"),
        ({"defense": 3}, "3 is no defense"),
        ({"defense": Brighten}, "is no defense"),
        ({"defense": privbench.ImageDefense}, "incomplete: ImageDefense does not define protect"),
        ({"epoch": 3}, "run() takes no epoch"),
        ({"epochs": 0}, "--epochs 0: expected a value ≥ 1"),
        ({"seed": -1}, "seeds are whole numbers from 0"),
        ({"seed": ()}, "at least one defense, one attack and one seed"),
    ],
)
def test_mistakes_say_what_to_do(tmp_path, wrong, said):
    with pytest.raises(UserError) as told:
        privbench.run(**{"defense": "none", "attack": Brighten, "out": tmp_path, **QUICK, **wrong})
    assert said in str(told.value)


def test_two_classes_of_one_name_are_refused(tmp_path):
    first = Dim

    @privbench.register("dim")
    class Other(privbench.ImageDefense):
        """Takes the name."""

        def protect(self, images, keys):
            return images

    try:
        with pytest.raises(UserError, match="one would overwrite the other's records"):
            privbench.run([first, Other], Brighten, out=tmp_path, **QUICK)
    finally:
        privbench.register("dim")(first)


@pytest.mark.parametrize("place", ["empty", "absent"])
def test_a_folder_without_records_is_a_mistake(tmp_path, place):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no records there"):
        privbench.load(tmp_path / place)


SCRIPT = '''
import torch
import privbench
from dataclasses import dataclass
from privbench import Attack, Challenge, Game, ImageDefense, MeanMetric, Truth, checked, register

FACTOR = 0.5


def dimmed(images, weight):
    return images * weight


@register("shade")
class Shade(ImageDefense):
    """Dims images by a function and a global of the script."""

    def protect(self, images, keys):
        return dimmed(images, FACTOR)


@dataclass(frozen=True)
class BrightnessChallenge(Challenge):
    """How bright were they?"""

    count: int

    def __len__(self):
        return self.count


@register("brightness")
class Brightness(Game):
    """What was the mean of each image?"""

    subject = "brightness"
    played_on = frozenset({"images"})

    def challenge(self, case, surfaces):
        return BrightnessChallenge(len(case.shown), releases=case.released(surfaces, case.shown))

    def truth(self, case):
        images = case.parts.private[case.shown].to("cpu").images
        return Truth(other={"mean": images.flatten(1).mean(1)})

    def check(self, challenge, guess):
        return checked(guess, (len(challenge),)).double()

    def floor(self, view, challenge, aim):
        return torch.full((len(challenge),), float(view.auxiliary.images.mean()))


@register("brightness-error")
class BrightnessError(MeanMetric):
    """Absolute error."""

    subject = "brightness"
    higher_is = "private"

    def values(self, truth, guess, context):
        return (guess - truth.other["mean"]).abs()


@register("mean-of-release")
class MeanOfRelease(Attack):
    """The mean of the release, made up for what was dimmed."""

    games = frozenset({"brightness"})
    needs = frozenset({"images"})

    def guess(self, view, challenge):
        return challenge.released.flatten(1).mean(1) / FACTOR


if __name__ == "__main__":
    results = privbench.run(
        Shade, [MeanOfRelease, "blind"], scale="smoke", model="mlp", controls=False, out="runs"
    )
    for record in results.records:
        print(record.cell.attack, record.status, record.reason, record.flags)
    found = results.to_pandas().query("metric == 'brightness-error'").set_index("attack")["value"]
    assert found["mean-of-release"] < 1e-6 < 0.02 < found["blind"], found
    assert "brightness game" in results.table()
    print("fine")
'''


def test_a_script_may_define_everything_itself_and_attacks_run_in_processes_of_their_own(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "script.py"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert done.stdout.endswith("fine\n")
    assert "in-process" not in done.stdout


CELLS = '''
import linecache, privbench
cells = 0

def cell(text):
    """Run text as a notebook does: a file that is on no disk."""
    global cells
    cells += 1
    name = f"<cell {cells}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), globals())

METRIC = """
@privbench.register("grey")
class Grey(privbench.MeanMetric):
    'How bright guesses are, times a factor.'
    subject = "reconstruction"
    def values(self, truth, guess, context):
        return guess.flatten(1).mean(1) * {factor}
"""
ATTACK = """
@privbench.register("constant")
class Constant(privbench.ReconstructionAttack):
    'One shade for all.'
    def guess(self, view, challenge):
        import torch
        return torch.full((len(challenge), *challenge.image_shape), {shade})
"""

def run():
    found = privbench.run("pixelate", Constant, scale="smoke", model="mlp", controls=False, out="runs")
    assert not found.failed, found.failed[0].reason
    found.table()
    return round(found[0].record.figures["grey"].value, 4)

cell(METRIC.format(factor="1"))
cell(ATTACK.format(shade="0.5"))
assert run() == 0.5
cell(ATTACK.format(shade="0.25"))
assert run() == 0.25
cell(METRIC.format(factor="2"))
assert run() == 0.5
from privbench.rating.metric_lookup import find_metric
assert type(find_metric("grey")) is Grey
print("fine")
'''


def test_a_cell_that_is_run_again_with_other_code_gives_other_figures(tmp_path):
    (tmp_path / "notebook.py").write_text(CELLS)
    done = subprocess.run(
        [sys.executable, "notebook.py"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fine\n"


def test_everything_is_in_dir_and_can_be_reached():
    assert set(privbench.__all__) <= set(dir(privbench))
    for name in privbench.__all__:
        assert getattr(privbench, name) is not None


def own_types(annotation: object) -> set[type]:
    """The classes of privbench in an annotation."""
    found = (
        {annotation}
        if inspect.isclass(annotation) and annotation.__module__.startswith("privbench.")
        else set()
    )
    return found.union(*map(own_types, typing.get_args(annotation)))


EXPORTED = {name: getattr(privbench, name) for name in privbench.__all__}
# What ``Results.boards`` gives is for tables.
TYPES_ONLY = {"Board": Board, "Callable": Callable, "Iterator": Iterator, "pd": pd}


def hints(value: object) -> dict[str, object]:
    try:
        return typing.get_type_hints(value, localns={**TYPES_ONLY, **EXPORTED})
    except NameError as error:
        raise AssertionError(f"{value}: {error}: export it") from error


BASES = [
    value
    for name in privbench.__all__
    if inspect.isclass(value := getattr(privbench, name)) and value.__module__.startswith("privbench.")
]


@pytest.mark.parametrize("base", BASES, ids=lambda base: base.__name__)
def test_every_type_in_the_signatures_of_what_is_exported_is_exported(base):
    named: set[type] = set()
    for name, member in vars(base).items():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if not name.startswith("_") and inspect.isfunction(function):
            named |= set().union(*map(own_types, hints(function).values()), set())
    assert {cls.__name__ for cls in named - {*EXPORTED.values(), *TYPES_ONLY.values()}} == set()


def test_there_is_a_base_for_each_kind():
    kinds = {base.kind for base in BASES if issubclass(base, Method) and hasattr(base, "kind")}
    assert kinds == set(KINDS)
