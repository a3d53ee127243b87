"""Processes for attacks: how they end, what they leave to the next, what outlives the engine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import privbench
from privbench.core.errors import PrivbenchError, UserError
from privbench.engine.executors.child import ExitStatus
from privbench.engine.executors.errors import ChannelClosed, ChannelTimeout
from privbench.engine.executors.forkserver import ForkServer
from privbench.engine.executors.wire import Message

HERE = Path(__file__).parent
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def server():
    with ForkServer(("torch", "sklearn.linear_model")) as running:
        yield running


def ask(server, entry, **fields):
    """The answer of a process that answers once, and its end."""
    with server.spawn(f"executor_entries:{entry}") as child:
        if fields:
            child.channel.send(Message("do", fields))
        answer = child.channel.receive(30)
        return answer, child.wait(10)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def all_gone(pids, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(map(alive, pids)):
        time.sleep(0.02)
    return [pid for pid in pids if alive(pid)] == []


def test_a_tensor_goes_in_and_comes_out(server):
    x = torch.rand(2200, 1, 28, 28)
    with server.spawn("executor_entries:echo") as child:
        for _ in range(3):
            child.channel.send(Message("x", {"a": 1}, {"x": x}, b"b"))
            got = child.channel.receive(10)
            assert torch.equal(got.tensors["x"], x)
            assert got.blob == b"b"
        child.channel.send(Message("end"))
        assert child.wait(5) == ExitStatus(code=0)


@pytest.mark.parametrize(
    ("how", "status", "text"),
    [
        ("return", ExitStatus(code=0), "exit code 0"),
        ("raise", ExitStatus(code=1), "exit code 1"),
        ("sys.exit", ExitStatus(code=1), "exit code 1"),
        ("os._exit", ExitStatus(code=7), "exit code 7"),
        ("segfault", ExitStatus(signal=11), "killed by signal 11 (SIGSEGV)"),
        ("SIGTERM", ExitStatus(signal=15), "killed by signal 15 (SIGTERM)"),
        ("SIGKILL", ExitStatus(signal=9), "killed by signal 9 (SIGKILL), perhaps for lack of memory"),
    ],
)
def test_ends_are_told_apart(server, how, status, text):
    with server.spawn("executor_entries:end_as_told") as child:
        child.channel.send(Message("do", {"how": how}))
        with pytest.raises(ChannelClosed):
            child.channel.receive(10)
        assert child.wait(5) == status
        assert str(child.wait()) == text


def test_an_answer_outlives_its_process(server):
    with server.spawn("executor_entries:end_as_told") as child:
        child.channel.send(Message("do", {"how": "answer"}))
        assert child.wait(5).code == 0
        assert torch.equal(child.channel.receive(1).tensors["x"], torch.arange(3_000))


def test_a_loop_is_ended_from_outside(server):
    with server.spawn("executor_entries:end_as_told") as child:
        child.channel.send(Message("do", {"how": "loop"}))
        with pytest.raises(ChannelTimeout):
            child.channel.receive(0.1)
        with pytest.raises(ChannelTimeout):
            child.wait(0.1)
        child.kill()
        assert str(child.wait(5)) == "killed by signal 9 (SIGKILL), as the engine asked"
    assert not alive(child.pid)


def test_leaving_the_block_kills(server):
    with server.spawn("executor_entries:end_as_told") as child:
        assert alive(child.pid)
    assert not alive(child.pid)
    assert child.wait() == ExitStatus(signal=9, asked=True)


def test_an_entry_that_is_not_there_is_an_exception(server, capfd):
    with server.spawn("executor_entries:nothing") as child:
        assert child.wait(5).code == 1


@linux
@pytest.mark.parametrize("then", ["return", "loop"])
def test_the_processes_of_a_process_go_with_it(server, then):
    with server.spawn("executor_entries:leave_others_running") as child:
        pids = child.channel.receive(10).fields["pids"]
        child.channel.send(Message("then", {"then": then}))
        if then == "return":
            with pytest.raises(ChannelClosed):
                child.channel.receive(5)
            assert child.wait(5).code == 0
    assert all_gone(pids, 5)


@linux
def test_a_processs_group_goes_with_it_while_others_run(server):
    with server.spawn("executor_entries:echo") as other:
        with server.spawn("executor_entries:leave_others_running") as child:
            *group, escaped = child.channel.receive(10).fields["pids"]
            child.channel.send(Message("then", {"then": "return"}))
            # Although the one that escaped holds the other end.
            with pytest.raises(ChannelClosed):
                child.channel.receive(5)
            assert child.wait(5).code == 0
        assert alive(escaped)
        assert all_gone(group, 5)
        other.channel.send(Message("still here"))
        assert other.channel.receive(5).name == "still here"
    assert all_gone([escaped], 5)


def test_one_process_leaves_nothing_to_the_next(server):
    assert ask(server, "spoil")[1].code == 0
    found = ask(server, "spoilt")[0].fields
    assert len(found) == 7
    assert not any(found.values())


def test_several_at_once(server):
    children = [server.spawn("executor_entries:echo") for _ in range(4)]
    assert len({child.pid for child in children}) == 4
    for k, child in enumerate(children):
        child.channel.send(Message(str(k)))
    children[1].kill()
    assert children[1].wait(5).signal == signal.SIGKILL
    for k in (3, 2, 0):
        with children[k] as child:
            assert child.channel.receive(5).name == str(k)
            child.channel.send(Message("end"))
            assert child.wait(5).code == 0


def test_torch_and_sklearn_compute_on_one_thread_and_on_two(server):
    (one, _), (two, status) = (ask(server, "compute", threads=n) for n in (1, 2))
    assert (one.fields["threads"], two.fields["threads"], status.code) == (1, 2, 0)
    for name, tensor in one.tensors.items():
        torch.testing.assert_close(two.tensors[name], tensor, rtol=1e-3, atol=1e-3)


def test_what_is_printed_is_shown_as_text_on_standard_error(server, capfd):
    with server.spawn("executor_entries:speak") as child:
        assert child.wait(30).code == 0
    out, err, deadline = "", "", time.monotonic() + 5
    while "written" not in err and time.monotonic() < deadline:
        time.sleep(0.01)
        more = capfd.readouterr()
        out, err = out + more.out, err + more.err
    assert out == ""
    assert "printed \\ud800 \\x1b[2J\n" in err
    assert "complained\n" in err
    assert "\\xff written\n" in err


def test_a_server_that_was_killed_is_replaced():
    with ForkServer(("torch",)) as own:
        child = own.spawn("executor_entries:end_as_told")
        os.kill(own._running.process.pid, signal.SIGKILL)
        assert str(child.wait(5)) == "lost with the server process that had started it"
        assert all_gone([child.pid], 5)
        child.channel.close()
        assert ask(own, "end_as_told", how="answer")[1].code == 0


def test_a_module_that_cannot_be_imported_is_named():
    with ForkServer(("no_such_module",)) as own, pytest.raises(PrivbenchError, match="no_such_module"):
        own.spawn("executor_entries:echo")


def test_a_server_that_cannot_start_is_not_tried_for_ever(monkeypatch, tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(broken))
    with ForkServer(("torch",)) as own, pytest.raises(PrivbenchError, match="twice"):
        own.spawn("executor_entries:echo")


def test_a_system_that_cannot_fork_is_told_what_to_use(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UserError, match="--in-process"):
        ForkServer(("torch",)).start()


ENGINE = """
import sys
from privbench.engine.executors.forkserver import ForkServer
server = ForkServer(("torch",))
children = [server.spawn("executor_entries:leave_others_running") for _ in range(2)]
pids = [pid for child in children for pid in child.channel.receive(60).fields["pids"]]
print(server._running.process.pid, *pids, server._running._folder, flush=True)
sys.stdin.read()
"""


@linux
def test_a_killed_engine_leaves_no_process_and_no_folder():
    path = os.pathsep.join([str(Path(privbench.__file__).parents[1]), str(HERE)])
    engine = subprocess.Popen(
        [sys.executable, "-c", ENGINE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        text=True,
    )
    with engine:
        *pids, folder = engine.stdout.readline().split()
        pids = [int(pid) for pid in pids]
        assert len(pids) == 7
        assert all(map(alive, pids))
        assert len(list(Path(folder).iterdir())) == 2
        engine.kill()
        assert all_gone(pids, 5)
    assert not Path(folder).exists()
