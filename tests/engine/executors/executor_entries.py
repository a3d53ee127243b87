"""What the tests run in processes of their own; imported there from the tests' import path."""

import contextlib
import ctypes
import gc
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import torch

from privbench.engine.executors.wire import Message


def echo(channel):
    while (message := channel.receive()).name != "end":
        channel.send(message)


def end_as_told(channel):
    how = channel.receive().fields["how"]
    if how == "raise":
        raise GeneratorExit("\ud800 is not text")
    if how == "answer":
        channel.send(Message("answer", tensors={"x": torch.arange(3_000)}))
    if how == "sys.exit":
        sys.exit(0)
    if how == "os._exit":
        os._exit(7)
    if how == "segfault":
        ctypes.string_at(0)
    if how == "SIGKILL":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "SIGTERM":
        os.kill(os.getpid(), signal.SIGTERM)
    while how == "loop":
        pass


def speak(channel):
    print("printed \ud800 \x1b[2J")
    print("complained", file=sys.stderr)
    os.write(1, b"\xff written\n")


def leave_others_running(channel):
    """Two more processes, of which one has left the group and holds the channel's end."""
    sleeper = subprocess.Popen(["sleep", "1000"])
    escaped = os.fork()
    if not escaped:
        os.setsid()
        time.sleep(1000)
        os._exit(0)
    channel.send(Message("pids", {"pids": [os.getpid(), sleeper.pid, escaped]}))
    if channel.receive().fields["then"] == "loop":
        time.sleep(1000)


def spoil(channel):
    """Change all that a clumsy attack might."""
    os.environ["SPOILT"] = "1"
    os.chdir("/")
    torch.set_default_dtype(torch.float64)
    torch.nn.functional.relu = None
    sys.path.insert(0, "/spoilt")
    sys.spoilt = True
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    channel.send(Message("spoilt"))


def spoilt(channel):
    found = {
        "environment": "SPOILT" in os.environ,
        "folder": Path.cwd() == Path("/"),
        "dtype": torch.get_default_dtype() is not torch.float32,
        "monkeypatch": torch.nn.functional.relu is None,
        "path": "/spoilt" in sys.path,
        "attribute": hasattr(sys, "spoilt"),
        "signal": signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL,
    }
    channel.send(Message("found", found))


def compute(channel):
    """A matmul, a convolution with its gradient and a fit, on as many threads as told."""
    threads = channel.receive().fields["threads"]
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(300, 300, generator=generator)
    conv = torch.nn.Conv2d(1, 4, 3)
    conv(x[None, None]).sum().backward()
    with threadpool_limits(threads):
        fit = LogisticRegression().fit(x.numpy(), (x[:, 0] > 0.5).numpy())
    done = {"matmul": x @ x, "gradient": conv.weight.grad, "weights": torch.tensor(fit.coef_)}
    channel.send(Message("done", {"threads": torch.get_num_threads()}, done))


def look_around(channel):
    """All that a process can see of its surroundings without asking the kernel about others."""
    gc.unfreeze()
    frame, functions, names = sys._getframe(), [], []
    while frame is not None:
        functions.append(frame.f_code.co_qualname)
        names += frame.f_locals
        frame = frame.f_back
    proc = Path("/proc/self")
    seen = {
        "functions": functions,
        "names": names,
        "tensors": sum(isinstance(x, torch.Tensor) and x.numel() > 0 for x in gc.get_objects()),
        "sockets": sum(type(x).__name__ == "socket" and x.fileno() >= 0 for x in gc.get_objects()),
        "threads": [thread.name for thread in threading.enumerate()],
        "descriptors": {path.name: _link(path) for path in (proc / "fd").iterdir()},
        "environment": dict(os.environ),
        "arguments": [*sys.argv, *sys.orig_argv],
        "path": sys.path,
        "folder": str(Path.cwd()),
        "files": [path.name for path in Path().iterdir()],
        "main": sorted(vars(sys.modules["__main__"])),
        "modules": sorted(sys.modules),
        "session": os.getsid(0) == os.getpid() == os.getpgid(0),
        "oom": (proc / "oom_score_adj").read_text(),
        "interrupt": signal.getsignal(signal.SIGINT) is signal.SIG_IGN,
        "memory": [found.decode() for found in _secrets_in_memory()],
    }
    channel.send(Message("seen", seen))


def look_around_after_secret(channel):
    secret = channel.receive().fields["secret"]
    channel.send(Message("seen", {"memory": [x.decode() for x in _secrets_in_memory()], "held": secret}))


def _link(path):
    try:
        return str(path.readlink())
    except OSError:
        return None


def _secrets_in_memory():
    proc, pattern = Path("/proc/self"), rb"secret-[0-9a-f]{16}"
    found = set(re.findall(pattern, (proc / "environ").read_bytes() + (proc / "cmdline").read_bytes()))
    with (proc / "mem").open("rb", buffering=0) as memory:
        for line in (proc / "maps").read_text().splitlines():
            bounds, access = line.split()[:2]
            if access.startswith("rw"):
                start, end = (int(bound, 16) for bound in bounds.split("-"))
                memory.seek(start)
                with contextlib.suppress(OSError):
                    found.update(re.findall(pattern, memory.read(end - start)))
    return sorted(found)
