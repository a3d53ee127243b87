"""From inside a process that runs an attack, nothing of the engine is found."""

import os
import secrets
import sys
from pathlib import Path

import pytest
import torch

from privbench.engine.executors.environment import clean_environment, import_path, package_home
from privbench.engine.executors.forkserver import ForkServer
from privbench.engine.executors.wire import Message

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def secret():
    return f"secret-{secrets.token_hex(8)}"


HELD = secret()  # a global of the engine


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What a process sees whose engine holds a secret wherever an engine can hold one."""
    folder = tmp_path_factory.mktemp(secret())
    (folder / secret()).write_text(secret())
    tensor = torch.frombuffer(bytearray(secret().encode()), dtype=torch.uint8).clone()
    with pytest.MonkeyPatch.context() as patch, (folder / "open").open("w") as opened:
        opened.write(secret())
        patch.chdir(folder)
        patch.setenv("PWD", str(folder))
        patch.setenv("OLDPWD", str(folder))
        patch.setenv("PRIVBENCH_DATA", secret())
        patch.setenv("API_TOKEN", secret())
        patch.setattr(sys, "argv", [*sys.argv, secret()])
        patch.syspath_prepend("")
        patch.syspath_prepend(str(folder))
        with ForkServer(("torch",)) as server:
            # An earlier attack is given a secret too.
            with server.spawn("executor_entries:look_around_after_secret") as child:
                given = secret()
                child.channel.send(Message("do", {"secret": given}))
                earlier = child.channel.receive(60).fields
                assert earlier["held"] == given
            with server.spawn("executor_entries:look_around") as child:
                found = child.channel.receive(60).fields
                found["root"] = server._running._folder
                child.wait(10)
                found["gone"] = not Path(found["folder"]).exists()
    assert tensor.numel()
    return {**found, "earlier": earlier}


def test_a_secret_that_was_given_is_found_in_memory(seen):
    assert seen["earlier"]["memory"] == [seen["earlier"]["held"]]


def test_no_other_secret_is_anywhere_in_memory(seen):
    assert seen["memory"] == []


def test_no_secret_is_in_what_python_shows(seen):
    shown = {k: v for k, v in seen.items() if k != "earlier"}
    assert "secret-" not in repr(shown)


def test_frames_are_those_of_the_start_and_of_the_entry(seen):
    assert seen["functions"] == ["look_around", "run", "main", "<module>"]
    assert "config" not in seen["names"]
    assert "request" not in seen["names"]


def test_there_are_no_tensors_no_open_sockets_but_the_channel_and_no_threads(seen):
    assert seen["tensors"] == 0
    assert seen["sockets"] == 1
    assert seen["threads"] == ["MainThread"]


def test_descriptors_are_the_standard_ones_and_the_channel(seen):
    links = {int(n): link for n, link in seen["descriptors"].items() if link is not None}
    assert sorted(links) == [0, 1, 2, 3]
    assert links[0] == os.devnull
    assert links[1] == links[2]
    assert links[1].startswith("pipe:")
    assert links[3].startswith("socket:")


def test_environment_arguments_and_main_are_bare(seen):
    assert (
        not {"PWD", "OLDPWD", "PRIVBENCH_DATA", "API_TOKEN", "PYTEST_CURRENT_TEST"}
        & seen["environment"].keys()
    )
    assert "PATH" in seen["environment"]
    assert seen["arguments"][0] == ""
    assert not any("pytest" in argument for argument in seen["arguments"])
    assert not any(name.startswith(("_pytest", "pytest")) for name in seen["modules"])
    assert all(name.startswith("__") for name in seen["main"])


def test_it_works_in_an_empty_folder_of_its_own_that_goes_with_it(seen):
    assert Path(seen["folder"]).parent == Path(seen["root"])
    assert seen["files"] == []
    assert seen["gone"]
    assert "" not in seen["path"]


def test_signals_session_and_memory_score(seen):
    assert seen["session"]
    assert seen["interrupt"]
    assert seen["oom"].strip() == "1000"


def test_the_environment_keeps_what_numbers_need():
    kept = {"PATH": "a", "HOME": "b", "OMP_NUM_THREADS": "2", "CUDA_VISIBLE_DEVICES": "", "LC_ALL": "C"}
    dropped = {"PWD": "x", "PRIVBENCH_WORKERS": "1", "PYTHONPATH": "x", "XPATH": "x", "PATHS": "x"}
    clean = clean_environment({**kept, **dropped})
    assert {k: v for k, v in clean.items() if k in {**kept, **dropped}} == kept
    assert clean["PYTHONHASHSEED"] == "0"
    assert clean_environment({"PYTHONHASHSEED": "5"})["PYTHONHASHSEED"] == "5"


def test_the_import_path_has_the_current_folder_only_where_privbench_lives_there(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend("")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert str(tmp_path) in import_path()
    monkeypatch.chdir(tmp_path)
    path = import_path()
    assert "" not in path
    assert str(tmp_path) not in path
    assert package_home() in path
    monkeypatch.chdir(package_home())
    assert package_home() in import_path()
