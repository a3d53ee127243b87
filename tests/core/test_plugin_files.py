"""Files of users' own methods: one name in every process, neighbours in reach, failures in a sentence."""

import subprocess
import sys

import pytest

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.plugin_files import load_file, loaded_files, registered_classes

MINE = """\
from privbench.core.registry import register
from privbench.defenses.blur import Blur
import beside_{0}

@register("mine-{0}")
class Mine(Blur):
    'A test.'
    factor: float = beside_{0}.FACTOR
"""


@pytest.fixture
def mine(tmp_path):
    name = tmp_path.name.replace("-", "_")
    (tmp_path / f"beside_{name}.py").write_text("FACTOR = 2.5\n")
    path = tmp_path / "mine.py"
    path.write_text(MINE.format(name))
    return path


def test_a_file_may_import_the_files_beside_it(mine):
    assert registry.create("defense", f"{mine}:Mine").factor == 2.5
    assert sys.path.index(str(mine.parent)) == len(sys.path) - 1, "neighbours hide nothing that is installed"


def test_a_file_runs_once(mine):
    first = load_file(mine)
    assert load_file(str(mine)) is first
    assert load_file(mine.parent / "." / "mine.py") is first
    assert sys.modules[first.__name__] is first
    assert loaded_files()[-1] == mine


def test_its_name_is_the_same_in_every_process_and_another_for_another_file(mine, tmp_path_factory):
    here = load_file(mine).__name__
    code = f"from privbench.core.plugin_files import load_file; print(load_file({str(mine)!r}).__name__)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == here
    other = tmp_path_factory.mktemp("other") / "mine.py"
    other.write_text("")
    assert load_file(other).__name__ != here


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\ny = 1 / 0\n", r"mine\.py:2: ZeroDivisionError: division by zero"),
        ("import no_such_module\n", r"mine\.py:1: ModuleNotFoundError: .*no_such_module"),
        ("class Mine(\n", r"mine\.py:1: SyntaxError"),
        ("import sys\nsys.exit(3)\n", r"mine\.py:2: SystemExit: 3"),
    ],
)
def test_a_file_that_fails_is_told_with_its_line(tmp_path, text, message):
    path = tmp_path / "mine.py"
    path.write_text(text)
    for _ in range(2):
        with pytest.raises(UserError, match=message):
            load_file(path)
    assert path not in loaded_files()
    assert not [
        name for name in sys.modules if name.startswith("privbench_plugin_") and load_failed(name, path)
    ]


def load_failed(name, path):
    return getattr(sys.modules[name], "__file__", None) == str(path)


def test_a_file_that_was_mended_is_read_again(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("1 / 0\n")
    with pytest.raises(UserError):
        load_file(path)
    path.write_text("value = 3\n")
    assert load_file(path).value == 3


def test_ctrl_c_while_a_file_is_read_is_ctrl_c(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        load_file(path)


def test_registered_classes_are_found_without_running(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "1 / 0\n@register('a')\nclass A: ...\nclass B: ...\n@privbench.register('c')\nclass C: ...\n"
    )
    assert registered_classes(path) == ["A", "C"]
    path.write_text("class A(\n")
    assert registered_classes(path) == []
    assert registered_classes(tmp_path / "absent.py") == []


def test_what_a_file_registers_is_known_by_its_name_in_this_process(mine):
    registry.find("defense", f"{mine}:Mine")
    name = f"mine-{mine.parent.name.replace('-', '_')}"
    assert name in registry.known("defense")
    assert name not in registry.names("defense")
    assert registry.find("defense", name) is registry.find("defense", f"{mine}:Mine")


def test_instances_and_classes_become_methods(mine):
    cls = registry.find("defense", f"{mine}:Mine")
    one = cls(sigma=3)
    assert registry.created("defense", one) is one
    assert registry.created("defense", cls) == cls()
    for wrong in (cls, 3, object, None, "vim"):
        with pytest.raises(UserError, match="is no attack"):
            registry.created("attack", wrong)


def test_a_class_that_lacks_something_is_told_what(tmp_path):
    path = tmp_path / "half.py"
    path.write_text(
        "from privbench.core.defense import ImageDefense\nfrom privbench.core.registry import register\n\n"
        "@register('half-done')\nclass Half(ImageDefense):\n    'Misspelt.'\n"
        "    def protects(self, images, keys):\n        return images\n"
    )
    message = r"incomplete: Half does not define protect\. Its base ImageDefense says"
    with pytest.raises(UserError, match=message):
        registry.create("defense", f"{path}:Half")
    with pytest.raises(UserError, match=message):
        registry.created("defense", registry._REGISTERED["defense", "half-done"])
