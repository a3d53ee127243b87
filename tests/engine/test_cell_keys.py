"""Keys hold what a cell used: the code that computes it, wherever that lies, and nothing else."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import privbench

PACKAGE = Path(privbench.__file__).parent
ASK = """\
import json, sys
from pathlib import Path
from privbench.engine.execute import scored_by
from privbench.engine.keys import cell_key, look_again
from privbench.engine.plan import make_plan
from privbench.engine.setting import Setting

plan = make_plan(["vim", "pixelate", "dp-sgd", *sys.argv[1:2]], ["all"], scale="smoke")
setting = Setting(plan.source, plan.model, plan.task, 0, plan.scale, "cpu", plan.options)


def ask():
    look_again()
    keys = {
        f"{c.defense.selector} {c.attack.selector} {c.game.selector}": cell_key(setting, c)
        for c in plan.cells
    }
    metrics = {}
    for c in plan.cells:
        metrics.update(scored_by(setting, c))
    return {"keys": keys, "metrics": metrics}


found = {"": ask()}
for name in sys.argv[2:]:
    path = Path(name)
    text = path.read_text()
    path.write_text(text + "\\nEDITED = 1\\n")
    found[name] = ask()
    path.write_text(text)
json.dump(found, sys.stdout)
"""
NEW = {
    "attacks/brand_new.py": "from privbench import MembershipAttack, register\n\n@register('brand-new')\n"
    "class BrandNew(MembershipAttack):\n    'A test.'\n    def guess(self, view, challenge):\n        ...\n",
    "defenses/brand_new.py": "from privbench import ImageDefense, register\n\n@register('brand-new')\n"
    "class BrandNew(ImageDefense):\n    'A test.'\n    def protect(self, images, keys):\n        return images\n",
    "metrics/brand_new.py": "from privbench import MeanMetric, register\n\n@register('brand-new')\n"
    "class BrandNew(MeanMetric):\n    'A test.'\n    subject = 'membership'\n"
    "    def values(self, truth, guess, context):\n        return guess\n",
    "models/brand_new.py": "from privbench import Model, register\n\n@register('brand-new')\n"
    "class BrandNew(Model):\n    'A test.'\n    def build(self, shape, outputs): ...\n"
    "    def feature_layers(self): ...\n",
    "data/datasets/brand_new.py": "from privbench import DatasetSource, register\n\n@register('brand-new')\n"
    "class BrandNew(DatasetSource):\n    'A test.'\n    def load(self): ...\n    def content_hash(self): ...\n",
    "tasks/brand_new.py": "from privbench.tasks.classes import Classes\nfrom privbench import register\n\n"
    "@register('brand-new')\nclass BrandNew(Classes):\n    'A test.'\n",
    "games/brand_new.py": "from privbench.games.membership import Membership\nfrom privbench import register\n\n"
    "@register('brand-new')\nclass BrandNew(Membership):\n    'A test.'\n",
    "surfaces/brand_new.py": "from privbench import Surface, register\n\n@register('brand-new')\n"
    "class BrandNew(Surface):\n    'A test.'\n    oracle = True\n",
}

USES = {
    "attacks/_likelihood.py": lambda k: (
        k.split()[1]
        in {
            "lira",
            "rmia",
            "stacked",
            "label-only",
            "white-box",
            "shadow-classifier",
            "confidence",
            "loss-threshold",
        }
    ),
    "attacks/_analytic.py": lambda k: k.split()[1] in {"window-mean", "restoration", "linkage", "classifier"},
    "defenses/_shuffle.py": lambda k: k.startswith("vim "),
    "metrics/vfe.py": lambda k: k.startswith("vim "),
    "defenses/pixelate.py": lambda k: k.startswith("pixelate "),
    "games/attribute.py": lambda k: k.endswith(" attribute"),
    "surfaces/images.py": lambda k: k.split()[1] in {"window-mean", "restoration", "linkage", "classifier"},
    "data/datasets/orl_faces.py": lambda k: False,
    "models/vit.py": lambda k: False,
    "report/text.py": lambda k: False,
    "store/pictures.py": lambda k: False,
    "models/cnn.py": lambda k: True,
    "data/splits.py": lambda k: True,
}
"""Which keys a file belongs to."""
METRIC = "metrics/_tpr.py"


@pytest.fixture
def tree(tmp_path):
    """A copy of the package, to edit."""
    shutil.copytree(PACKAGE, tmp_path / "privbench", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def ask(tree: Path, defense: str = "none", *edits: str) -> dict[str, dict[str, dict[str, str]]]:
    """Keys of a run's guesses, and hashes of its metrics: as they are, and with a line more in each of ``edits``."""
    done = subprocess.run(
        [sys.executable, "-c", ASK, defense, *edits],
        capture_output=True, text=True, check=False, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_new_file_in_any_catalogue_folder_leaves_all_keys(tree):
    before = ask(tree)[""]
    for name, text in NEW.items():
        (tree / "privbench" / name).write_text(text)
    after = ask(tree)[""]
    new = {key for key in after["keys"] if "brand-new" in key}
    assert new, "the new files were not found"
    assert {k: v for k, v in after["keys"].items() if k not in new} == before["keys"]
    assert {k: v for k, v in after["metrics"].items() if k != "brand-new"} == before["metrics"]


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    tree = tmp_path_factory.mktemp("tree")
    shutil.copytree(PACKAGE, tree / "privbench", ignore=shutil.ignore_patterns("__pycache__"))
    files = [str(tree / "privbench" / file) for file in (*USES, METRIC)]
    found = ask(tree, "none", *files)
    return {name.removeprefix(f"{tree}/privbench/"): answer for name, answer in found.items()}


@pytest.mark.parametrize("file", USES)
def test_an_edit_changes_just_the_keys_of_what_used_it(edited, file):
    before, after = edited[""]["keys"], edited[file]["keys"]
    assert after.keys() == before.keys()
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {key for key in before if USES[file](key)}


def test_an_edit_to_a_metric_leaves_guesses_and_scores_them_anew(edited):
    before, after = edited[""], edited[METRIC]
    assert after["keys"] == before["keys"]
    changed = {name for name in before["metrics"] if before["metrics"][name] != after["metrics"][name]}
    assert changed == {"tpr-at-1-fpr", "tpr-at-01-fpr"}


def test_a_plugins_own_helpers_are_in_its_keys_alone(tree):
    plugin = tree / "plugins"
    plugin.mkdir()
    (plugin / "helping.py").write_text("FACTOR = 1\n")
    (plugin / "mine.py").write_text(
        "import helping\nfrom privbench import ImageDefense, register\n\n@register('mine')\n"
        "class Mine(ImageDefense):\n    'A test.'\n"
        "    def protect(self, images, keys):\n        return images * helping.FACTOR\n"
    )
    helper = str(plugin / "helping.py")
    found = ask(tree, f"{plugin}/mine.py:Mine", helper)
    before, after = found[""]["keys"], found[helper]["keys"]
    changed = {key for key in before if before[key] != after[key]}
    assert changed == {key for key in before if key.startswith("mine ")}


def test_another_version_of_a_library_that_computes_changes_keys(tree):
    before = ask(tree)[""]["keys"]
    (tree / "privbench" / "core" / "code" / "distributions.py").open("a").write(
        "\n_real = version\n\n\ndef version(name):\n"
        "    return '99' if name == 'scikit-learn' else _real(name)\n"
    )
    sources = tree / "privbench" / "core" / "sources.py"
    assert "version" in sources.read_text()
    after = ask(tree)[""]["keys"]
    changed = {key.split()[1] for key in before if before[key] != after[key]}
    assert "classifier" in changed
    assert "shadow-classifier" in changed
