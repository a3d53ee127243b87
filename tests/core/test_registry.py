import os
import subprocess
import sys
from pathlib import Path

import pytest

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.method import Method
from privbench.core.selector import format_value, parse_selector

EVERY = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_every_method_is_complete(kind, name):
    cls = registry.find(kind, name)
    assert cls.registry_name == name
    assert cls.kind == kind
    assert (cls.__doc__ or "").strip().splitlines()[0].endswith((".", "?"))
    path = registry.source_path(kind, name)
    assert path is not None
    assert path.stem == name.replace("-", "_")
    assert len(path.read_text().splitlines()) <= 160, "one method a file, about 150 lines"


@pytest.mark.parametrize(("kind", "name"), EVERY)
def test_selectors_round_trip(kind, name):
    if "path" in registry.find(kind, name).model_fields:
        pytest.skip("takes a path")
    method = registry.create(kind, name)
    assert registry.create(kind, method.selector) == method


def test_the_catalogue_loads_without_slow_modules():
    code = (
        "from privbench.core.lazy import defer, is_loaded\n"
        "defer('torch')\n"
        "from privbench.core import registry\n"
        "for kind in registry.KINDS:\n"
        "    for name in registry.names(kind):\n"
        "        registry.find(kind, name)\n"
        "        for slow in ('torch', 'torchvision', 'opacus', 'sklearn', 'skimage', 'scipy', 'lpips', 'mlxtend'):\n"
        "            assert not is_loaded(slow), (kind, name, slow)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_finding_a_method_imports_its_file_only():
    code = (
        "import sys\n"
        "from privbench.core.lazy import defer\n"
        "defer('torch')\n"
        "from privbench.core import registry\n"
        "registry.find('defense', 'blur')\n"
        "others = [m for m in sys.modules if m.startswith(('privbench.defenses.', 'privbench.attacks.'))]\n"
        "assert [m for m in others if '._' not in m] == ['privbench.defenses.blur'], others\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("vim", "vim", {}),
        ("vim[window=7]", "vim", {"window": "7"}),
        ("vim[ window = 7 , key=fixed ]", "vim", {"window": "7", "key": "fixed"}),
        ("./mine.py:Attack[a=1]", "./mine.py:Attack", {"a": "1"}),
        ("npz:/a b/c.npz", "npz:/a b/c.npz", {}),
    ],
)
def test_selectors_parse(text, name, params):
    assert parse_selector(text).name == name
    assert parse_selector(text).params == params


@pytest.mark.parametrize(
    "text", ["", "vim[", "vim]", "vim[window]", "vim[window=]", "vim[a=1,a=2]", "vim[a=1]x"]
)
def test_bad_selectors_are_refused(text):
    with pytest.raises(UserError):
        parse_selector(text)


def test_values_print_as_selectors_write_them():
    assert [format_value(v) for v in (True, 8.0, 0.05, 7, "fixed")] == ["true", "8", "0.05", "7", "fixed"]


@pytest.mark.parametrize(
    ("kind", "text", "nearest"),
    [
        ("defense", "vmi", "vim"),
        ("attack", "lria", "lira"),
        ("attack", "los-threshold", "loss-threshold"),
        ("dataset", "mnist5k", "mnist-5k"),
        ("model", "resnt", "resnet"),
        ("defense", "vim[windw=7]", "window"),
    ],
)
def test_unknown_names_answer_with_the_nearest(kind, text, nearest):
    with pytest.raises(UserError, match=f"Did you mean .*'{nearest}'"):
        registry.create(kind, text)


def test_values_out_of_range_name_the_field():
    with pytest.raises(UserError, match="sigma"):
        registry.create("defense", "blur[sigma=-1]")


def test_methods_from_a_path(tmp_path: Path):
    file = tmp_path / "mine.py"
    file.write_text(
        "from pathlib import Path\n"
        "from privbench.games.membership import MembershipAttack\n"
        "from privbench.core.registry import register\n"
        "@register('always-yes')\n"
        "class Yes(MembershipAttack):\n"
        "    '''Says yes.'''\n"
        "    def guess(self, view, challenge):\n"
        "        return challenge.labels * 0.0\n"
        "class Nameless(MembershipAttack):\n"
        "    '''Has no name.'''\n"
    )
    assert registry.create("attack", f"{file}:Yes").selector == "always-yes"
    with pytest.raises(UserError, match="register"):
        registry.find("attack", f"{file}:Nameless")
    with pytest.raises(UserError, match="not a class for a defense"):
        registry.find("defense", f"{file}:Yes")
    with pytest.raises(UserError, match="not a class for an attack"):
        registry.find("attack", f"{file}:Path")
    with pytest.raises(UserError, match="Did you mean 'Yes'"):
        registry.find("attack", f"{file}:Yess")
    with pytest.raises(UserError, match="no file"):
        registry.find("attack", f"{tmp_path}/other.py:Yes")
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(UserError, match="ZeroDivisionError"):
        registry.find("attack", f"{broken}:Yes")


def test_a_path_s_module_has_one_name_in_every_process_and_finds_its_neighbours(tmp_path):
    (tmp_path / "neighbour.py").write_text("WORD = 'yes'\n")
    (tmp_path / "json.py").write_text("raise SystemExit('hides the standard library')\n")
    (tmp_path / "mine.py").write_text(
        "import json\n"
        "from neighbour import WORD\n"
        "from privbench.games.membership import MembershipAttack\n"
        "from privbench.core.registry import register\n"
        "@register('mine')\n"
        "class Mine(MembershipAttack):\n"
        "    'Says yes.'\n"
        "    def guess(self, view, challenge):\n"
        "        return challenge.labels * 0.0\n"
    )
    code = (
        "import sys\n"
        "from privbench.core.lazy import defer\n"
        "defer('torch')\n"
        "from privbench.core import registry\n"
        f"path = {str(tmp_path)!r}\n"
        "first = registry.find('attack', path + '/mine.py:Mine')\n"
        "assert registry.find('attack', path + '/mine.py:Mine') is first\n"
        "assert sys.path[-1] == path and sys.path.count(path) == 1\n"
        "print(first.__module__)\n"
    )
    names = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, text=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(names) == 1


CLASSES = """
from pydantic import Field
from privbench import Attack, MembershipAttack, register

@register("no-guess")
class NoGuess(MembershipAttack):
    '''Forgot to guess.'''

@register("no-games")
class NoGames(Attack):
    '''Forgot to say what it plays.'''

    def guess(self, view, challenge):
        return challenge.labels * 0.0

@register("bad-default")
class BadDefault(MembershipAttack):
    '''Has a default that its own range forbids.'''

    queries: int = Field(0, ge=1)

    def guess(self, view, challenge):
        return challenge.labels * 0.0

class Helper:
    pass
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NoGuess", ["NoGuess does not define guess", "MembershipAttack"]),
        ("NoGames", ["NoGames does not define games"]),
        ("BadDefault", ["queries=0", "expected a value ≥ 1", "classes.py:BadDefault"]),
    ],
)
def test_incomplete_classes_are_named_with_what_they_lack(tmp_path, name, words):
    file = tmp_path / "classes.py"
    file.write_text(CLASSES)
    with pytest.raises(UserError) as caught:
        registry.create("attack", f"{file}:{name}")
    for word in words:
        assert word in str(caught.value)


def test_a_path_without_a_class_is_answered_with_the_classes_of_the_file(tmp_path):
    file = tmp_path / "classes.py"
    file.write_text(CLASSES + "\nraise SystemExit('must not be run')\n")
    with pytest.raises(UserError) as caught:
        registry.find("attack", str(file))
    assert f"Write {file}:NoGuess or {file}:NoGames or {file}:BadDefault." in str(caught.value)
    with pytest.raises(UserError, match=r"no such file.*other.py:ClassName"):
        registry.find("attack", f"{tmp_path}/other.py")
    with pytest.raises(UserError, match=r"reads data.*write mine.py:ClassName"):
        registry.find("dataset", "imagefolder:mine.py")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import os\n\ndef (\n", r"broken.py:3: SyntaxError: invalid syntax"),
        ("import os\n1 / 0\n", r"broken.py:2: ZeroDivisionError: division by zero"),
        ("import sys\n\n\nsys.exit(3)\n", r"broken.py:4: SystemExit: 3"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_the_line(tmp_path, code, expected):
    (tmp_path / "broken.py").write_text(code)
    with pytest.raises(UserError, match=expected):
        registry.find("attack", f"{tmp_path}/broken.py:A")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("attack", "lira[shadows=many]", "shadows=many is not valid: expected a whole number."),
        ("defense", "blur[sigma=much]", "sigma=much is not valid: expected a number."),
        ("defense", "dp-sgd[epsilon=-1]", "epsilon=-1 is not valid: expected a value > 0."),
        ("defense", "dp-sgd[epsilon=nan]", "expected a finite number."),
        ("defense", "vim[key=new]", "key=new is not valid: expected 'fresh', 'fixed' or 'fixed-per-window'."),
        ("defense", "vim[window=x]", "window=x is not valid: expected a whole number of pixels"),
        ("dataset", "mnist[download=maybe]", "download=maybe is not valid: expected true or false."),
    ],
)
def test_bad_values_are_given_back_with_what_was_expected(kind, text, expected):
    with pytest.raises(UserError) as caught:
        registry.create(kind, text)
    assert expected in str(caught.value)
    for foreign in ("Value error", "Input should"):
        assert foreign not in str(caught.value)


def test_groups_are_among_the_choices():
    with pytest.raises(UserError, match=r"Did you mean 'membership'.*all.*membership"):
        registry.create("attack", "membersip", ("all", "membership"))
    with pytest.raises(UserError, match="Write all alone"):
        registry.create("attack", "all[queries=2]", ("all", "membership"))


def test_catalogue_names_must_be_their_file_s():
    with pytest.raises(TypeError):

        @registry.register("other")
        class _Wrong(Method):
            __module__ = "privbench.attacks.mine"

            kind = "attack"
