from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from privbench.core import registry
from privbench.core.errors import DataError, TrainingDiverged, UserError
from privbench.core.training import PrivacySettings, TrainedModel
from privbench.tasks.classes import Classes
from privbench.training import loop, modules, precision
from privbench.training.many import train_many
from privbench.training.modules import load_module
from privbench.training.predict import answers
from privbench.training.processes import worker_count


def _same_bytes(one: TrainedModel, other: TrainedModel) -> bool:
    return (
        list(one.weights) == list(other.weights)
        and all(torch.equal(one.weights[k], other.weights[k]) for k in one.weights)
        and one.losses == other.losses
        and one.guarantee == other.guarantee
    )


def _distance(one: TrainedModel, other: TrainedModel, job, digits) -> float:
    images = digits[0][:200].to(job.images.dtype)
    shape = tuple(job.images.shape[2:])
    scores = [
        answers(load_module(job.model, shape, job.outputs, trained.weights, "cpu"), images, job.task)
        for trained in (one, other)
    ]
    return float((scores[0] - scores[1]).abs().max())


@pytest.fixture
def two_workers(monkeypatch):
    monkeypatch.setenv("PRIVBENCH_WORKERS", "2")


def test_processes_give_the_bytes_of_training_one_by_one(make_job, tiny, two_workers):
    private = PrivacySettings(noise_multiplier=1.0, delta=1e-3)
    jobs = [
        make_job(seed=1),
        make_job(seed=2, count=90, augment=True, flip=True, optimizer="st-adam", lr=1e-3),
        make_job(seed=3, model=tiny(norm="batch", dropout=0.3), versions=2),
        make_job(seed=4, privacy=private),
    ]
    seen: dict[int, TrainedModel] = {}
    threads = torch.get_num_threads()
    state = torch.get_rng_state()
    parallel = train_many(jobs, "cpu", "processes", on_done=seen.__setitem__)
    serial = train_many(jobs, "cpu", "serial")
    assert sorted(seen) == [0, 1, 2, 3]
    assert all(seen[i] is parallel[i] for i in seen)
    assert all(map(_same_bytes, parallel, serial))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert parallel[0].weights["0.weight"].is_contiguous()


def test_large_shared_data_reach_the_processes_unharmed(make_job, two_workers):
    # More than a megabyte, where joblib maps a file instead of sending the array.
    jobs = [make_job(count=1500, versions=4, epochs=1, seed=s) for s in range(2)]
    shared = jobs[0].images
    jobs = [type(j)(**{**vars(j), "images": shared}) for j in jobs]
    assert shared.numel() * 4 > 2**20
    before = shared.clone()
    assert all(map(_same_bytes, train_many(jobs, "cpu", "processes"), train_many(jobs, "cpu", "serial")))
    assert torch.equal(shared, before)


def test_a_model_given_by_path_trains_in_processes(make_job, tmp_path, two_workers):
    # A new process cannot import the file, so the class has to travel as code.
    file = tmp_path / "mine.py"
    file.write_text(
        textwrap.dedent("""
        import torch
        from privbench.core.model import Model
        from privbench.core.registry import register

        def flat(shape):
            return shape[0] * shape[1] * shape[2]

        @register("mine")
        class Mine(Model):
            source = "a test"

            def build(self, shape, classes):
                return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(flat(shape), classes))

            def feature_layers(self):
                return ("0",)
        """)
    )
    model = registry.create("model", f"{file}:Mine")
    jobs = [make_job(model=model, seed=s) for s in range(2)]
    assert all(map(_same_bytes, train_many(jobs, "cpu", "processes"), train_many(jobs, "cpu", "serial")))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_an_interrupt_reaches_the_parent_alone(make_job, two_workers):
    train_many([make_job(), make_job()], "cpu", "processes")
    blocked = []
    for status in Path("/proc").glob("[0-9]*/status"):
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        if int(fields["PPid"]) == os.getpid() and "popen_loky" in (status.parent / "cmdline").read_text():
            blocked.append(int(fields["SigBlk"], 16) >> (signal.SIGINT - 1) & 1)
    assert len(blocked) >= 2
    assert all(blocked)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_an_error_in_a_process_surfaces_as_itself(make_job, two_workers):
    jobs = [make_job(), make_job(lr=1e30, epochs=3)]
    with pytest.raises(TrainingDiverged, match=r"diverged in epoch .*lr=1e\+30"):
        train_many(jobs, "cpu", "processes")
    assert len(train_many([make_job(), make_job()], "cpu", "processes")) == 2


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "st-adam"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-9)])
def test_batched_agrees_with_one_by_one(make_job, digits, optimizer, dtype, tolerance):
    lr = 0.05 if optimizer == "sgd" else 2e-3
    common = {
        "dtype": dtype,
        "optimizer": optimizer,
        "epochs": 3,
        "weight_decay": 1e-3,
        "label_smoothing": 0.1,
        "warmup_steps": 3,
        "augment": True,
        "flip": True,
    }
    jobs = [
        make_job(seed=1, lr=lr, **common),
        make_job(seed=2, lr=lr, count=75, versions=2, start=40, **common),
        make_job(seed=3, lr=lr / 2, count=161, **common),
    ]
    serial = train_many(jobs, "cpu", "serial")
    batched = train_many(jobs, "cpu", "batched")
    for one, other, job in zip(serial, batched, jobs, strict=True):
        assert list(one.weights) == list(other.weights)
        assert one.losses == pytest.approx(other.losses, abs=tolerance)
        assert _distance(one, other, job, digits) < tolerance
    # The comparison can fail: models of different seeds are far apart.
    assert _distance(serial[0], serial[2], jobs[0], digits) > 0.05


def test_batched_leaves_what_cannot_be_batched_to_one_by_one(make_job, tiny):
    jobs = [
        make_job(model=tiny(norm="batch")),
        make_job(model=tiny(norm="batch"), seed=1),
        make_job(model=tiny(dropout=0.5)),
        make_job(model=tiny(dropout=0.5), seed=1),
        make_job(privacy=PrivacySettings(noise_multiplier=1.0, delta=1e-3)),
        make_job(model=tiny(width=6)),
    ]
    assert all(map(_same_bytes, train_many(jobs, "cpu", "batched"), train_many(jobs, "cpu", "serial")))


def test_batched_shrinks_its_chunks_when_memory_runs_out(make_job, monkeypatch):
    from privbench.training import batched

    real, sizes = batched.train_chunk, []

    def short_of_memory(jobs, device):
        sizes.append(len(jobs))
        if len(jobs) > 2:
            raise torch.OutOfMemoryError
        return real(jobs, device)

    monkeypatch.setattr(batched, "train_chunk", short_of_memory)
    order: list[int] = []
    trained = train_many(
        [make_job(seed=s) for s in range(5)], "cpu", "batched", on_done=lambda index, _: order.append(index)
    )
    assert sizes == [5, 3, 2, 2, 1]
    assert order == [0, 1, 2, 3, 4]
    assert len(trained) == 5


def test_batched_reports_the_model_that_diverged(make_job):
    jobs = [make_job(epochs=4), make_job(epochs=4, lr=1e30, count=60, seed=1)]
    with pytest.raises(TrainingDiverged, match=r"epoch \d of 4.*lr=1e\+30"):
        train_many(jobs, "cpu", "batched")


def test_no_jobs_and_bad_jobs(make_job, monkeypatch):
    assert train_many([], "cpu") == []
    job = make_job()
    bad = type(job)(**{**vars(job), "labels": job.labels + 5})
    with pytest.raises(DataError, match="from 0 to 9"):
        train_many([job, bad], "cpu")
    with pytest.raises(UserError, match="on the CPU"):
        train_many([job], "cuda", "processes")
    for text in ("0", "two", ""):
        monkeypatch.setenv("PRIVBENCH_WORKERS", text)
        with pytest.raises(UserError, match="PRIVBENCH_WORKERS"):
            worker_count()


def test_one_worker_trains_here(make_job, monkeypatch):
    monkeypatch.setenv("PRIVBENCH_WORKERS", "1")
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert len(train_many([make_job(epochs=1), make_job(epochs=1)], "cpu")) == 2


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="counts processes in /proc")
@pytest.mark.parametrize(
    ("moment", "ending"),
    [("starting", signal.SIGKILL), ("working", signal.SIGKILL), ("idle", signal.SIGTERM)],
)
def test_processes_leave_when_their_parent_is_killed(tmp_path, moment, ending):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import sys, time
            import torch
            from torch import nn
            from privbench.core.model import Model
            from privbench.core.training import TrainingConfig, TrainingJob
            from privbench.tasks.classes import Classes
            from privbench.training.many import train_many

            class Own(Model):
                registry_name = "own"
                def build(self, shape, classes):
                    return nn.Sequential(nn.Flatten(), nn.Linear(64, classes))
                def feature_layers(self):
                    return ()

            def job(epochs, seed):
                return TrainingJob(model=Own(), task=Classes(), config=TrainingConfig(epochs=epochs),
                                   images=torch.rand(1, 64, 1, 8, 8), labels=torch.arange(64) % 10,
                                   outputs=10, seed=seed)

            if __name__ == "__main__":
                if sys.argv[1] == "starting":
                    print("ready", flush=True)
                train_many([job(1, s) for s in range(4)], "cpu", "processes")
                print("ready", flush=True)
                if sys.argv[1] == "idle":
                    time.sleep(100)
                train_many([job(10**6, s) for s in range(4)], "cpu", "processes")
            """
        )
    )
    mark = str(tmp_path)
    environment = {**os.environ, "PRIVBENCH_WORKERS": "2", "PRIVBENCH_TEST_MARK": mark}
    with subprocess.Popen(
        [sys.executable, str(script), moment], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as parent:
        try:
            assert parent.stdout is not None
            assert parent.stderr is not None
            assert parent.stdout.readline() == b"ready\n"
            assert _wait(lambda: len(_marked(mark)) >= 4), "the parent, two workers, and a tracker"
            time.sleep(0.5 if moment == "working" else 0)
            left = [
                path.name for folder in ("/dev/shm", tempfile.gettempdir()) for path in Path(folder).iterdir()
            ]
            assert not [name for name in left if name.startswith(f"joblib_memmapping_folder_{parent.pid}_")]
            os.kill(parent.pid, ending)
            parent.wait()
            assert _wait(lambda: not _marked(mark))
            assert b"leaked" not in parent.stderr.read()
        finally:
            parent.kill()


def _wait(done: Callable[[], bool]) -> bool:
    """Whether ``done`` within 20 seconds."""
    deadline = time.monotonic() + 20
    while not done() and time.monotonic() < deadline:
        time.sleep(0.02)
    return done()


def _marked(mark: str) -> list[str]:
    """Command lines of the processes that carry the mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


@pytest.mark.cuda
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "st-adam"])
def test_batched_on_cuda_agrees_with_the_cpu(make_job, digits, optimizer):
    # float64 switches mixed precision off, so that only the order of sums differs.
    lr = 0.05 if optimizer == "sgd" else 2e-3
    jobs = [
        make_job(seed=s, count=100 + 20 * s, dtype=torch.float64, optimizer=optimizer, lr=lr, augment=True)
        for s in range(3)
    ]
    cpu = train_many(jobs, "cpu", "serial")
    for way in ("serial", "batched"):
        cuda = train_many(jobs, "cuda", way)
        assert all(_distance(a, b, j, digits) < 1e-6 for a, b, j in zip(cpu, cuda, jobs, strict=True))


@pytest.mark.parametrize("way", ["serial", "batched"])
def test_mixed_precision_learns_float32_weights(make_job, digits, way, monkeypatch):
    # What CUDA does, in bfloat16 on the CPU.
    monkeypatch.setattr(precision, "half_precision", lambda device, dtype: torch.bfloat16)
    for module in (loop, modules):
        monkeypatch.setattr(module, "memory_format", lambda device: torch.channels_last)
    jobs = [make_job(seed=s, count=1200, epochs=10) for s in range(2)]
    images, labels = (values[1200:] for values in digits)
    for job, trained in zip(jobs, train_many(jobs, "cpu", way), strict=True):
        assert all(value.dtype == torch.float32 for value in trained.weights.values())
        assert all(value.is_contiguous() for value in trained.weights.values())
        module = load_module(job.model, (1, 8, 8), 10, trained.weights, "cpu")
        accuracy = (answers(module, images, Classes()).argmax(1) == labels).float().mean()
        assert accuracy > 0.85


@pytest.mark.cuda
@pytest.mark.parametrize("way", ["serial", "batched"])
def test_mixed_precision_on_cuda_learns_as_well(make_job, digits, way):
    jobs = [make_job(seed=s, count=1200, epochs=10) for s in range(3)]
    images, labels = (values[1200:] for values in digits)
    for job, trained in zip(jobs, train_many(jobs, "cuda", way), strict=True):
        assert all(value.dtype == torch.float32 for value in trained.weights.values())
        module = load_module(job.model, (1, 8, 8), 10, trained.weights, "cuda")
        accuracy = (answers(module, images.cuda(), Classes()).argmax(1).cpu() == labels).float().mean()
        assert accuracy > 0.85
