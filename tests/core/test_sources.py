"""What code a method uses, on real methods and on small packages and plugins."""

import doctest
import importlib.util
import json
import linecache
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import types
from pathlib import Path
from typing import Annotated

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

import privbench
from privbench.core import registry
from privbench.core.code.module import OWN, module_at
from privbench.core.code.typed import constant
from privbench.core.errors import UserError
from privbench.core.sources import code_hash, libraries, sources

PACKAGE = Path(privbench.__file__).resolve().parent
METHODS = [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]


def used(*roots):
    """The files of privbench that ``roots`` use, without ``privbench/`` and ``.py``."""
    files = [path for path in sources(*roots) if path.is_relative_to(PACKAGE)]
    return {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in files}


def write(folder, **files):
    """Write ``files`` (``__`` in a name stands for a slash, ``package__init`` for its ``__init__``)."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/").replace("/init", "/__init__") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def names(folder, *roots):
    return {
        p.relative_to(folder.resolve()).as_posix()
        for p in sources(*roots)
        if p.is_relative_to(folder.resolve())
    }


# Methods of the catalogue.


def test_lira_uses_its_helpers_and_not_those_of_others():
    found = used(registry.find("attack", "lira"))
    assert found >= {
        "attacks/lira",
        "attacks/_likelihood",
        "attacks/_shadows",
        "core/attack",
        "core/view",
        "__init__",
    }
    assert not found & {"attacks/restoration", "attacks/rmia", "attacks/_linear", "training/restoration"}
    assert not {name for name in found if name.startswith(("models/", "defenses/", "metrics/", "data/"))}


def test_vim_uses_the_metric_that_its_windows_grow_by():
    found = used(registry.find("defense", "vim"))
    assert found >= {"defenses/vim", "defenses/_adaptive", "metrics/vfe", "metrics/__init__"}
    assert not found & {"metrics/ssim", "defenses/blur"}


def test_imports_within_functions_are_followed():
    assert used(registry.find("model", "vit")) >= {"models/vit", "models/_vision_transformer"}


def test_the_registry_does_not_pull_in_the_catalogue():
    layers = {name.partition("/")[0] for name in used(PACKAGE / "core/registry.py")}
    assert layers == {"__init__", "core"}


@pytest.mark.parametrize(("kind", "name"), METHODS)
def test_class_module_and_path_are_the_same_root(kind, name):
    cls = registry.find(kind, name)
    path = registry.source_path(kind, name)
    assert code_hash(cls) == code_hash(path) == code_hash(sys.modules[cls.__module__])
    assert len(code_hash(cls)) == 32


def test_what_python_imports_is_among_the_sources():
    """An independent reference: each method's module is imported where nothing of privbench is loaded."""
    code = """
        import importlib, json, sys
        for name in json.loads(sys.argv[1]):
            importlib.import_module(name)
            ours = [each for each in sys.modules if each.partition(".")[0] == "privbench"]
            print(json.dumps([name, [sys.modules.pop(each).__file__ for each in ours]]))
    """
    modules = {
        registry.find(kind, name).__module__: registry.source_path(kind, name) for kind, name in METHODS
    }
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), json.dumps(list(modules))],
        capture_output=True, text=True, check=True, timeout=120, cwd=PACKAGE.parent,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(METHODS)
    for module, loaded in lines:
        assert len(loaded) > 5
        assert {Path(file).resolve() for file in loaded} <= sources(modules[module]), module


def test_libraries_are_those_that_the_files_import():
    import sklearn

    found = libraries(registry.find("attack", "classifier"))
    assert found["scikit-learn"] == sklearn.__version__
    assert "torch" in found
    assert not found.keys() & {"pydantic", "sklearn", "lpips", "matplotlib", "torchvision"}
    assert {"lpips", "torch"} <= libraries(registry.find("metric", "lpips")).keys()
    assert list(found) == sorted(found)


def test_the_whole_catalogue_is_read_quickly():
    code = """
        import sys, time
        from pathlib import Path
        from privbench.core import registry
        from privbench.core.sources import code_hash
        paths = [registry.source_path(kind, name) for kind in registry.KINDS for name in registry.names(kind)]
        start = time.process_time()
        hashes = {code_hash(path) for path in paths}
        print(time.process_time() - start, len(hashes))
    """
    taken = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)],
            capture_output=True, text=True, check=True, timeout=120, cwd=PACKAGE.parent,
        )  # fmt: skip
        seconds, count = done.stdout.split()
        assert int(count) == len(METHODS)
        taken.append(float(seconds))
    assert min(taken) <= 0.5, "0.2 s where it was written"


# Copies of privbench.


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    found = [tmp_path_factory.mktemp("copy") / f"deep{index}" / "privbench" for index in range(2)]
    for copy in found:
        shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "assets"))
    return found


def catalogue(root):
    """The hash of every method of the privbench at ``root``, by its path there."""
    paths = [registry.source_path(kind, name).resolve().relative_to(PACKAGE) for kind, name in METHODS]
    return {path.as_posix(): code_hash(root / path) for path in paths}


def test_hashes_are_the_same_wherever_privbench_is_installed(copies, tmp_path):
    here = catalogue(PACKAGE)
    assert [catalogue(copy) for copy in copies] == [here, here]
    assert names(copies[0], copies[0] / "attacks/lira.py") == {
        f"{name}.py" for name in used(PACKAGE / "attacks/lira.py")
    }
    assert sources(copies[0] / "attacks/lira.py").isdisjoint(sources(PACKAGE / "attacks/lira.py"))
    installed = tmp_path / "lib/site-packages/privbench"
    shutil.copytree(copies[0], installed)
    assert catalogue(installed) == here


def test_an_edit_changes_the_hashes_of_its_users_and_a_new_file_none(copies):
    root = copies[0]
    before = catalogue(root)
    for folder in ("attacks", "metrics", "core", "data/datasets", "training"):
        (root / folder / "brand_new.py").write_text("from privbench.attacks import lira\n")
    assert catalogue(root) == before
    for edited in ("attacks/_shadows.py", "metrics/vfe.py", "models/_blocks.py", "attacks/lira.py"):
        users = {path for path in before if root / edited in sources(root / path)}
        old = (root / edited).read_text()
        (root / edited).write_text(old + "# another version\n")
        after = catalogue(root)
        assert {path for path in before if after[path] != before[path]} == users
        assert 0 < len(users) < len(before) / 2
        (root / edited).write_text(old)
        assert catalogue(root) == before


def test_links_to_the_layers_lead_to_the_package(tmp_path):
    (tmp_path / "attacks").symlink_to(PACKAGE / "attacks")
    assert code_hash(tmp_path / "attacks/lira.py") == code_hash(PACKAGE / "attacks/lira.py")


# Plugins.

ATTACK = """
    {imports}
    from privbench import MembershipAttack, register

    @register("mine")
    class Mine(MembershipAttack):
        needs = frozenset()

        def guess(self, view, challenge):
            {body}
"""


def plugin(folder, imports="", body="return None", name="mine"):
    text = textwrap.dedent(ATTACK).format(imports=imports, body=body)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(text)
    return folder / f"{name}.py"


def loaded(path):
    return registry._from_path("attack", f"{path}:Mine")


def test_a_plugin_brings_its_helpers_and_what_it_uses_of_privbench(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, beside_tools="from beside_deep import x\n", beside_deep="x = 1\n", unused="y = 1\n")
    cls = loaded(plugin(tmp_path, "import beside_tools"))
    assert names(tmp_path, cls) == {"mine.py", "beside_tools.py", "beside_deep.py"}
    # ``from privbench import name`` loads the module that has it on first use.
    assert used(cls) >= {"core/attack", "core/registry", "core/view", "__init__"}
    assert used(cls) < used(registry.find("attack", "lira"))
    before = code_hash(cls)
    write(tmp_path, unused="y = 2\n", another="z = 1\n")
    assert code_hash(cls) == before
    write(tmp_path, beside_deep="x = 2\n")
    assert code_hash(cls) != before


def test_a_plugin_hashes_the_same_in_another_folder(tmp_path):
    for place in ("a", "b/c"):
        write(tmp_path / place, tools="x = 1\n")
        plugin(tmp_path / place, body="import tools; return tools.x")
    first, second = tmp_path / "a/mine.py", tmp_path / "b/c/mine.py"
    assert code_hash(loaded(first)) == code_hash(loaded(second)) == code_hash(first)
    (tmp_path / "b/c/tools.py").write_bytes(b"x = 1\r\n")
    assert code_hash(first) == code_hash(second), "line ends are git's"
    (tmp_path / "b/c/tools.py").write_bytes(b"x = 11\r\n")
    assert code_hash(first) != code_hash(second)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import privbench", "privbench.Keys"),
        ("import privbench as pb", "pb.Keys"),
        ("from privbench import Keys", "Keys"),
        ("from privbench import *", "Keys"),
        ("import privbench.core", "privbench.core.keys.Keys"),
        ("from privbench import core", "core.keys.Keys"),
        ("import importlib", "importlib.import_module('privbench.core.keys')"),
    ],
)
def test_every_way_to_a_name_of_privbench_is_seen(tmp_path, line, expected):
    path = write(tmp_path, mine=f"{line}\ndef f():\n    return {expected}.fresh(0, 1)\n") / "mine.py"
    assert "core/keys" in used(path)
    write(tmp_path, mine=f"{line}\n")
    assert ("core/keys" in used(path)) == ("*" in line or line.endswith("Keys"))


def test_imports_of_every_form_are_followed(tmp_path):
    write(
        tmp_path,
        mine="""
            import pack.alpha, pack.beta as b
            from pack import (
                gamma,
                delta as d,
            )
            from pack.sub import *
            if True:
                try:
                    import epsilon
                except ImportError:
                    import zeta
                else:
                    import eta
                finally:
                    import theta
            class C:
                import iota
                async def f(self):
                    with open("x") as f:
                        match f:
                            case 1:
                                import kappa
            for _ in (): import la
            while False: import mu
        """,
        pack__init="value = 1\n", pack__alpha="", pack__beta="from . import nested\nfrom .sub.one import x\n",
        pack__gamma="from .sub import two as t\n", pack__delta="", pack__nested="from .. import up\n", pack__unused="",
        pack__sub__init="__all__ = ['three', 'missing']\n", pack__sub__one="", pack__sub__two="",
        pack__sub__three="from ..late import x\n", pack__sub__unused="", pack__late="",
        epsilon="", zeta="", eta="", theta="", iota="", kappa="", la="", mu="", unused="",
    )  # fmt: skip
    everything = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.py")}
    assert everything - names(tmp_path, tmp_path / "mine.py") == {
        "unused.py",
        "pack/unused.py",
        "pack/sub/unused.py",
    }


@pytest.mark.parametrize("test", ["TYPE_CHECKING", "typing.TYPE_CHECKING", "t.TYPE_CHECKING"])
def test_imports_for_type_checkers_are_not_followed(tmp_path, test):
    write(
        tmp_path,
        mine=f"""
            if {test}:
                import hidden
                if True:
                    import hidden_deep
            elif 1:
                import seen
            else:
                import seen_too
            if not {test}:
                import seen_last
            else:
                import hidden_last
        """,
        hidden="", hidden_deep="", seen="", seen_too="", seen_last="", hidden_last="",
    )  # fmt: skip
    assert names(tmp_path, tmp_path / "mine.py") == {"mine.py", "seen.py", "seen_too.py", "seen_last.py"}


def test_circles_of_imports_end(tmp_path):
    write(tmp_path, a="import b\n", b="import c\n", c="import a\nimport c\n")
    every = {"a.py", "b.py", "c.py"}
    assert [names(tmp_path, tmp_path / name) for name in sorted(every)] == [every] * 3
    assert len({code_hash(tmp_path / name) for name in every}) == 1


def test_circles_of_names_loaded_on_first_use_end(tmp_path):
    lazy = "if TYPE_CHECKING:\n    from {} import Name\ndef __getattr__(name): ...\n"
    write(tmp_path, mine="from one import Name\n", one=lazy.format("two"), two=lazy.format("one"))
    assert names(tmp_path, tmp_path / "mine.py") == {"mine.py", "one.py", "two.py"}


def test_namespace_packages_have_no_init(tmp_path, monkeypatch):
    write(tmp_path / "here", mine="import space.one\nfrom space.deep import three\nimport space.two\n")
    write(tmp_path / "here", space__one="", space__deep__three="from ..one import x\n", space__unused="")
    write(tmp_path / "there", space__two="")
    monkeypatch.syspath_prepend(tmp_path / "there")
    assert names(tmp_path, tmp_path / "here/mine.py") == {
        "here/mine.py", "here/space/one.py", "here/space/deep/three.py", "there/space/two.py",
    }  # fmt: skip


def test_a_package_is_preferred_to_folders_without_code(tmp_path, monkeypatch):
    write(tmp_path / "here", mine="import data\n", data__notes__x="")
    write(tmp_path / "there", data__init="")
    monkeypatch.syspath_prepend(tmp_path / "there")
    assert names(tmp_path, tmp_path / "here/mine.py") == {"here/mine.py", "there/data/__init__.py"}


def test_the_folder_of_the_plugin_comes_before_the_path(tmp_path, monkeypatch):
    write(tmp_path / "here", mine="import tools\nimport elsewhere\n", tools="")
    write(tmp_path / "there", tools="", elsewhere="import tools\n")
    monkeypatch.syspath_prepend(tmp_path / "there")
    assert names(tmp_path / "here", tmp_path / "here/mine.py") == {"mine.py", "tools.py"}
    assert names(tmp_path, tmp_path / "here/mine.py") >= {"there/elsewhere.py"}


def test_an_installed_plugin_brings_its_own_package_and_no_other(tmp_path, monkeypatch):
    site = tmp_path / "lib/site-packages"
    write(
        site, theirs__init="", theirs__attack=textwrap.dedent(ATTACK).format(
            imports="import numpy, otherlib\nfrom theirs import tools\nfrom . import more", body="return None"
        ), theirs__tools="", theirs__more="", theirs__unused="", otherlib="x = 1\n",
    )  # fmt: skip
    monkeypatch.syspath_prepend(site)
    import theirs.attack

    cls = theirs.attack.Mine
    expected = {f"theirs/{name}.py" for name in ("__init__", "attack", "tools", "more")}
    assert names(site, cls) == names(site, theirs.attack) == expected
    assert "core/attack" in used(cls)
    before, numbers = code_hash(cls), libraries(cls)
    assert numbers.keys() >= {"numpy", "torch"}
    assert "otherlib" not in numbers, "of no distribution"
    write(site, otherlib="x = 2\n")
    assert code_hash(cls) == before
    # A plugin beside nothing that imports an installed one: its version counts, not its files.
    mine = write(tmp_path / "own", mine="import theirs.attack\nimport otherlib\n") / "mine.py"
    assert names(tmp_path, mine) == {"own/mine.py"}
    for name in [name for name in sys.modules if name.partition(".")[0] == "theirs"]:
        monkeypatch.delitem(sys.modules, name)


def test_libraries_of_a_plugin_are_found_by_the_names_of_their_modules(tmp_path):
    import PIL
    import skimage

    deep = "def f():\n    import skimage.io\n    from PIL import Image\n"
    mine = write(tmp_path, mine="import typer, notinstalled, os\nimport deep\n", deep=deep)
    assert libraries(mine / "mine.py") == {"pillow": PIL.__version__, "scikit-image": skimage.__version__}
    assert libraries(write(tmp_path, mine="import dateutil.tz\n") / "mine.py").keys() == {"python-dateutil"}


def test_a_base_in_another_file_is_covered_when_the_class_is_made_by_hand(tmp_path, monkeypatch):
    base = loaded(plugin(tmp_path, name="base_of_mine"))
    made = type("Made", (base,), {"__module__": base.__module__, "__doc__": "Made."})
    assert names(tmp_path, made) == {"base_of_mine.py"}


def test_a_plugin_uses_the_privbench_that_runs_and_not_one_beside_it(tmp_path):
    write(
        tmp_path,
        mine="from privbench.core import keys\n",
        privbench__init="",
        privbench__core__init="",
        privbench__core__keys="",
    )
    assert names(tmp_path, tmp_path / "mine.py") == {"mine.py"}
    assert "core/keys" in used(tmp_path / "mine.py")


def test_files_of_closed_packages_have_one_home_however_they_are_named():
    cls = registry.find("attack", "lira")
    path = registry.source_path("attack", "lira")
    assert (
        module_at(str(path))
        == module_at(str(path), cls.__module__)
        == module_at(str(PACKAGE / "attacks/lira.py"))
    )
    assert module_at(str(path)).home == OWN


def test_a_plugin_in_a_package_sees_what_is_beside_it_and_its_package(tmp_path):
    write(
        tmp_path,
        pack__init="",
        pack__mine="import tools\nimport pack.more\nimport near\n",
        pack__tools="",
        pack__more="",
        near="",
    )
    assert names(tmp_path, tmp_path / "pack/mine.py") == {
        "pack/__init__.py", "pack/mine.py", "pack/tools.py", "pack/more.py", "near.py",
    }  # fmt: skip


def test_a_helper_may_hide_a_module_of_the_standard_library(tmp_path, monkeypatch):
    write(tmp_path, mine="import statistics\nimport sys\nimport string\n", statistics="", sys="")
    monkeypatch.syspath_prepend(write(tmp_path / "there", string=""))
    assert names(tmp_path, tmp_path / "mine.py") == {"mine.py", "statistics.py"}


def test_a_name_of_the_own_package_that_loads_on_first_use(tmp_path):
    lazy = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .deep import Name\ndef __getattr__(name): ...\n"
    write(
        tmp_path,
        pack__init=lazy,
        pack__mine="from . import Name\n",
        pack__deep="",
        pack__other="from . import other\n",
    )
    assert names(tmp_path, tmp_path / "pack/mine.py") == {"pack/__init__.py", "pack/mine.py", "pack/deep.py"}
    assert names(tmp_path, tmp_path / "pack/other.py") == {"pack/__init__.py", "pack/other.py"}


def test_a_package_installed_to_be_edited_in_place_is_followed(tmp_path, monkeypatch):
    write(tmp_path / "src", placed__init="from placed import deep\n", placed__deep="", single="")

    class Editable:
        @staticmethod
        def find_spec(name, path, target=None):
            file = {"placed": "src/placed/__init__.py", "single": "src/single.py"}.get(name)
            return file and importlib.util.spec_from_file_location(name, tmp_path / file)

    mine = write(tmp_path / "own", mine="import placed\nimport single\n") / "mine.py"
    assert names(tmp_path, mine) == {"own/mine.py"}
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Editable])
    assert names(tmp_path, mine) == {
        "own/mine.py",
        "src/placed/__init__.py",
        "src/placed/deep.py",
        "src/single.py",
    }


def test_a_distribution_is_not_taken_for_another_by_its_name(tmp_path, monkeypatch):
    site = write(tmp_path / "site-packages", pear="", apple="")
    for distribution, module in (("pear", "apple"), ("Fruit_Salad", "pear")):
        folder = site / f"{distribution}-1.5.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n")
        (folder / "top_level.txt").write_text(f"{module}\n")
    monkeypatch.syspath_prepend(site)
    assert libraries(write(tmp_path, mine="import pear\n") / "mine.py") == {"fruit-salad": "1.5"}
    assert libraries(write(tmp_path, mine="import apple\n") / "mine.py") == {"pear": "1.5"}


# What cannot be read.


def test_a_syntax_error_in_a_helper_names_the_file_and_the_line(tmp_path):
    write(tmp_path, mine="import broken\n", broken="import os\nx = = 1\n")
    with pytest.raises(UserError, match=r"broken\.py:2 is not Python .*invalid syntax.*Correct"):
        code_hash(tmp_path / "mine.py")
    (tmp_path / "broken.py").write_bytes(b"import os\n\0")
    with pytest.raises(UserError, match=r"broken\.py.* is not Python"):
        sources(tmp_path / "mine.py")


def test_bytes_in_another_encoding_are_read_as_their_first_line_says(tmp_path):
    write(tmp_path, mine="import tools\n", deep="")
    text = "# -*- coding: latin-1 -*-\nname = 'José'\nimport deep\n"
    (tmp_path / "tools.py").write_bytes(text.encode("latin-1"))
    assert names(tmp_path, tmp_path / "mine.py") == {"mine.py", "tools.py", "deep.py"}
    (tmp_path / "tools.py").write_bytes(text.replace("latin-1", "utf-8").encode("latin-1"))
    with pytest.raises(UserError, match=r"tools\.py.* is not Python"):
        sources(tmp_path / "mine.py")
    (tmp_path / "tools.py").write_bytes(b"\xef\xbb\xbfimport deep\n")
    assert names(tmp_path, tmp_path / "mine.py") == {"mine.py", "tools.py", "deep.py"}


def test_a_file_that_vanished_is_an_error_and_a_helper_is_used_no_more(tmp_path):
    write(tmp_path, tools="")
    cls = loaded(plugin(tmp_path, body="import tools"))
    before = code_hash(cls)
    (tmp_path / "tools.py").unlink()
    assert code_hash(cls) != before
    assert names(tmp_path, cls) == {"mine.py"}
    module = sys.modules[cls.__module__]
    (tmp_path / "mine.py").unlink()
    for root in (cls, module, tmp_path / "mine.py"):
        with pytest.raises(UserError, match=r"mine\.py"):
            code_hash(root)


def test_what_has_no_python_file_is_refused():
    for root in (sys, int):
        with pytest.raises(UserError, match="file"):
            sources(root)


def test_a_link_to_a_helper_is_a_helper(tmp_path):
    write(tmp_path / "shared", tools="import near\n", near="")
    write(tmp_path / "own", mine="import tools\n", near="")
    (tmp_path / "own/tools.py").symlink_to(tmp_path / "shared/tools.py")
    assert names(tmp_path, tmp_path / "own/mine.py") == {"own/mine.py", "own/tools.py", "own/near.py"}
    before = code_hash(tmp_path / "own/mine.py")
    write(tmp_path / "shared", tools="import near  # edited\n")
    assert code_hash(tmp_path / "own/mine.py") != before
    (tmp_path / "linked").symlink_to(tmp_path / "own")
    assert sources(tmp_path / "linked/mine.py") == sources(tmp_path / "own/mine.py")


def test_a_compiled_helper_counts_by_its_bytes(tmp_path):
    import importlib.machinery

    compiled = tmp_path / f"fast{importlib.machinery.EXTENSION_SUFFIXES[0]}"
    compiled.write_bytes(b"\x7fELF import \0 1")
    mine = write(tmp_path, mine="import fast\n") / "mine.py"
    before = code_hash(mine)
    compiled.write_bytes(b"\x7fELF import \0 2")
    assert code_hash(mine) != before
    assert compiled.resolve() in sources(mine)


# Edits within one process.


def test_edits_are_seen_at_once_even_with_the_same_size_and_time(tmp_path):
    mine = write(tmp_path, mine="import tools\n", tools="x = 0\n") / "mine.py"
    seen = set()
    for value in range(9):
        (tmp_path / "tools.py").write_text(f"x = {value}\n")
        seen.add(code_hash(mine))
    assert len(seen) == 9
    now = time.time_ns()
    for value in range(2):
        (tmp_path / "tools.py").write_text(f"y = {value}\n")
        os.utime(tmp_path / "tools.py", ns=(now, now))
        seen.add(code_hash(mine))
    assert len(seen) == 11


def test_a_file_changed_within_the_clocks_tick_is_read_again(tmp_path, monkeypatch):
    mine = write(tmp_path, mine="x = 1\n") / "mine.py"
    reads = []
    read, stat, is_file = Path.read_bytes, Path.stat, Path.is_file

    def stamped(age):
        fixed = types.SimpleNamespace(st_size=6, st_ino=1, st_mtime_ns=time.time_ns() - age, st_ctime_ns=0)
        monkeypatch.setattr(Path, "stat", lambda p, **k: fixed if p.name == "mine.py" else stat(p, **k))

    monkeypatch.setattr(Path, "is_file", lambda path: path.name == "mine.py" or is_file(path))
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or read(path))
    stamped(age=0)
    before = code_hash(mine)
    mine.write_text("x = 2\n")
    assert code_hash(mine) != before
    stamped(age=60_000_000_000)
    code_hash(mine)
    reads.clear()
    code_hash(mine)
    assert reads == [], "nothing is read that has not changed for a while"


def test_a_file_is_parsed_again_only_when_it_has_changed(tmp_path, monkeypatch):
    import ast

    parsed = []
    parse = ast.parse
    monkeypatch.setattr(
        ast, "parse", lambda data, path, *a: parsed.append(Path(path).name) or parse(data, path, *a)
    )
    write(
        tmp_path,
        mine="import tools, plain\n",
        tools="import plain\n",
        plain="x = 1\n",
        other="import tools\n",
    )
    for _ in range(3):
        sources(tmp_path / "mine.py")
    code_hash(tmp_path / "other.py")
    assert sorted(parsed) == ["mine.py", "other.py", "tools.py"], (
        "a file that imports nothing needs no syntax tree"
    )
    write(tmp_path, tools="import plain, other\n")
    assert "other.py" in names(tmp_path, tmp_path / "mine.py")
    assert parsed.count("tools.py") == 2


def test_a_helper_that_appears_later_is_found(tmp_path):
    mine = write(tmp_path, mine="try:\n    import late\nexcept ImportError:\n    pass\n") / "mine.py"
    assert names(tmp_path, mine) == {"mine.py"}
    write(tmp_path, late="")
    assert names(tmp_path, mine) == {"mine.py", "late.py"}


# The law, on random graphs of imports.

PLACES = ["p", "p/a", "p/b", "p/s", "p/s/c", "p/s/d", "p/s/t", "p/s/t/e", "top", "other"]
PACKAGES = {"p", "p/s", "p/s/t"}
FORMS = [
    "import {dotted}",
    "from {parent} import {name}",
    "from {parent} import {name} as n",
    "from {dotted} import *",
]


def file_of(place):
    return f"{place}/__init__.py" if place in PACKAGES else f"{place}.py"


def statement(target, form, indent):
    dotted = target.replace("/", ".")
    parent, _, name = dotted.rpartition(".")
    line = FORMS[form] if parent else "import {dotted}"
    text = line.format(dotted=dotted, parent=parent, name=name)
    return f"def f():\n    {text.replace('import *', 'import x')}\n" if indent else f"{text}\n"


def reference(graph, start):
    """Files reached from ``start``: written from Python's rules alone, on places instead of texts."""
    seen, waiting = set(), [start]
    while waiting:
        place = waiting.pop()
        if place not in seen:
            seen.add(place)
            waiting += [target for target, _, _ in graph[place]]
            waiting += [place.rpartition("/")[0]] if "/" in place else []
    return seen


edges = st.lists(st.tuples(st.sampled_from(PLACES), st.integers(0, 3), st.booleans()), max_size=3)


@settings(deadline=None, max_examples=60)
@given(st.fixed_dictionaries(dict.fromkeys(PLACES, edges)), st.data())
def test_an_edit_changes_exactly_the_users_and_a_new_file_changes_nothing(graph, data):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve()
        for place in PLACES:
            path = root / file_of(place)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(statement(*edge) for edge in graph[place]))

        def hashes():
            return {place: code_hash(root / file_of(place)) for place in PLACES}

        before = hashes()
        reached = {place: reference(graph, place) for place in PLACES}
        for place in PLACES:
            assert names(root, root / file_of(place)) == {file_of(each) for each in reached[place]}
        folder = data.draw(st.sampled_from(["", "p/", "p/s/", "p/s/t/", "new/"]))
        (root / folder).mkdir(exist_ok=True)
        (root / f"{folder}fresh.py").write_text("import p.a, p.s.t.e, top, other\n")
        assert hashes() == before
        edited = data.draw(st.sampled_from(PLACES))
        with (root / file_of(edited)).open("a") as file:
            file.write("# edited\n")
        after = hashes()
        assert {place for place in PLACES if after[place] != before[place]} == {
            place for place in PLACES if edited in reached[place]
        }


def test_the_order_of_the_roots_does_not_matter_and_their_number_does():
    a, b = PACKAGE / "attacks/lira.py", PACKAGE / "defenses/vim.py"
    assert code_hash(a, b) == code_hash(b, a) == code_hash(b, a, b)
    assert len({code_hash(a, b), code_hash(a), code_hash(b), code_hash()}) == 4
    assert sources(a, b) == sources(a) | sources(b)


# Classes typed into a notebook.


@pytest.fixture
def cell(monkeypatch):
    """Runs the text of a cell in a notebook's ``__main__``, which has no file."""
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    made = []

    def run(text, keep=True):
        text = textwrap.dedent(text)
        name = f"/nowhere/ipykernel_1/{len(made)}.py"
        made.append(name)
        if keep:
            linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec"), vars(main))
        return vars(main)

    yield run
    for name in made:
        linecache.cache.pop(name, None)


MINE = """
    import privbench as pb
    import numpy as np

    @pb.register("typed")
    class Typed(pb.MembershipAttack):
        needs = frozenset()

        def guess(self, view, challenge):
            return {body}

    after = 1
"""


def test_a_typed_class_counts_by_its_text_and_the_files_of_its_bases(cell):
    def made(body, after=""):
        return cell(textwrap.dedent(MINE).format(body=body) + after)["Typed"]

    cls = made("np.zeros(3)")
    before = code_hash(cls)
    assert used(cls) >= {"core/attack", "core/registry", "__init__"}
    assert "core/metric" not in used(cls)
    assert libraries(cls).keys() >= {"numpy", "torch"}
    assert code_hash(made("np.zeros(3)", "unrelated = 2\n")) == before
    assert code_hash(made("np.zeros(4)")) != before
    assert code_hash(cls) == before, "a class that was defined anew keeps its own text"
    assert "core/metric" in used(made("pb.Metric"))


def test_a_typed_class_brings_what_its_names_stand_for(cell, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write(
        tmp_path,
        notebook_tools="from notebook_deep import x\ndef helped(): return x\n",
        notebook_deep="x = 1\n",
    )
    cell("from notebook_tools import helped\nweight = 2\nchoices = {'a', 'b'}\nimages = object()\n")
    cell("def scaled(images):\n    return weight * images, helper()\n")
    cell("helper = lambda: choices\n")
    cls = cell(textwrap.dedent(MINE).format(body="scaled(helped())"))["Typed"]
    assert names(tmp_path, cls) == {"notebook_tools.py", "notebook_deep.py"}
    seen = {code_hash(cls)}
    for change in (
        "weight = 3", "choices = {'a', 'c'}", "helper = lambda: [choices]",
        "def scaled(images):\n    return weight + images, helper()\n",
    ):  # fmt: skip
        cell(change)
        seen.add(code_hash(cls))
    write(tmp_path, notebook_deep="x = 2\n")
    seen.add(code_hash(cls))
    assert len(seen) == 6
    cell("weight = object()")
    with pytest.raises(UserError, match=r"scaled uses the global 'weight', a object.*parameter.*file"):
        code_hash(cls)


def test_a_typed_class_counts_the_version_of_a_library_and_not_its_files(cell, tmp_path, monkeypatch):
    text = "class Theirs:\n    __module__ = 'theirlib._not_its_file'\n    def f(self): ...\ndef g(): ...\n"
    site = write(tmp_path / "site-packages", theirlib=text)
    monkeypatch.syspath_prepend(site)
    cls = cell("from theirlib import Theirs, g\nclass Typed(Theirs):\n    def h(self): return g()\n")["Typed"]
    assert sources(cls) == frozenset()
    monkeypatch.delitem(sys.modules, "theirlib")


def test_values_count_as_they_compare():
    def text(value):
        return constant("Typed", "name", value)

    assert text({0, 8}) == text({8, 0})
    assert text({"b": [1, (2.0, None)]}) == text({"b": [1, (2.0, None)]})
    different = [
        1,
        1.0,
        True,
        "1",
        b"1",
        [1],
        (1,),
        {1},
        {1: 1},
        None,
        [[1]],
        int | None,
        Annotated[int, Field(gt=0)],
        Annotated[int, Field(gt=1)],
        torch.float32,
        Path("1"),
    ]
    assert len({text(value) for value in different}) == len(different)
    for value in (
        torch.zeros(1),
        [torch.zeros(1)],
        {"a": object()},
        types.SimpleNamespace(),
        Field(default_factory=lambda: 1),
    ):
        with pytest.raises(UserError, match="Typed uses the global 'name'"):
            text(value)


def test_a_typed_class_with_fields_alone_has_a_text_too(cell):
    text = "from privbench.defenses.blur import Blur\nclass Typed(Blur):\n    sigma: float = {}\n"
    cls = cell(text.format(2.0))["Typed"]
    before = code_hash(cls)
    assert "defenses/blur" in used(cls)
    assert code_hash(cell(text.format(3.0))["Typed"]) != before


def test_a_typed_class_whose_text_is_gone_must_be_saved(cell):
    cls = cell(textwrap.dedent(MINE).format(body="1"), keep=False)["Typed"]
    with pytest.raises(UserError, match=r"Typed has no source file.*Save it to a file"):
        code_hash(cls)


def test_a_class_of_a_script_counts_by_the_scripts_file(tmp_path):
    script = write(tmp_path, tools="", main="import tools\nclass Mine:\n    def f(self): ...\n") / "main.py"
    code = (
        "from privbench.core.sources import code_hash, sources\nprint(code_hash(Mine), len(sources(Mine)))\n"
    )
    script.write_text(script.read_text() + code)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
    )  # fmt: skip
    assert done.stdout.split()[0] == code_hash(script)
    assert names(tmp_path, script) == {"main.py", "tools.py"}


def test_a_class_sent_to_a_process_with_another_main_script_is_refused(cell, monkeypatch, tmp_path):
    cls = cell(textwrap.dedent(MINE).format(body="1"), keep=False)["Typed"]
    main = types.ModuleType("__main__")
    main.__file__ = str(write(tmp_path, worker="") / "worker.py")
    monkeypatch.setitem(sys.modules, "__main__", main)
    with pytest.raises(UserError, match="Typed has no source file"):
        code_hash(cls)


def test_a_class_of_an_example_in_a_docstring_counts_by_its_text():
    """
    >>> from privbench import MembershipAttack
    >>> def answer():
    ...     return {}
    >>> class Example(MembershipAttack):
    ...     def guess(self, view, challenge):
    ...         return answer()
    >>> sorted(used(Example))[:2]
    ['__init__', 'core/__init__']
    >>> hashes.append(code_hash(Example))
    """
    hashes = []
    text = test_a_class_of_an_example_in_a_docstring_counts_by_its_text.__doc__
    for body in ("1", "2", "1"):
        test = doctest.DocTestParser().get_doctest(
            text.format(body), {**globals(), "hashes": hashes}, "example", None, 0
        )
        assert doctest.DocTestRunner(verbose=False).run(test).failed == 0
    assert hashes[0] == hashes[2] != hashes[1]
