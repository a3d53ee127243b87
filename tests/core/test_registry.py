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
        "from privbench.core.attack import MembershipAttack\n"
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
    with pytest.raises(UserError, match="Did you mean 'Yes'"):
        registry.find("attack", f"{file}:Yess")
    with pytest.raises(UserError, match="no file"):
        registry.find("attack", f"{tmp_path}/other.py:Yes")
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0\n")
    with pytest.raises(UserError, match="ZeroDivisionError"):
        registry.find("attack", f"{broken}:Yes")


def test_catalogue_names_must_be_their_file_s():
    with pytest.raises(TypeError):

        @registry.register("other")
        class _Wrong(Method):
            __module__ = "privbench.attacks.mine"

            kind = "attack"
