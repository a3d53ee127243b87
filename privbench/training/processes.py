"""Many models on a CPU: one single-threaded process for each core.

The processes (joblib's loky) stay alive between calls, since starting one costs seconds, and
leave within about a second when their parent dies.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing.resource_tracker
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.machinery import PathFinder

import cloudpickle  # type: ignore[import-untyped]
import joblib
import numpy as np
import torch
from joblib.externals.loky.backend import resource_tracker
from joblib.externals.loky.process_executor import TerminatedWorkerError

from privbench.core.errors import PrivbenchError, UserError
from privbench.core.training import TrainedModel, TrainingJob
from privbench.training._watch import leave_with
from privbench.training.loop import train

WORKERS_VARIABLE = "PRIVBENCH_WORKERS"

EMPTY = torch.empty(0)


def worker_count() -> int:
    """How many processes to use: ``PRIVBENCH_WORKERS``, or the cores that this process may use.

    Raises:
        UserError: the variable is not a positive whole number.
    """
    text = os.environ.get(WORKERS_VARIABLE)
    if text is None:
        return int(joblib.cpu_count())
    if not text.isdecimal() or int(text) < 1:
        raise UserError(f"{WORKERS_VARIABLE}={text!r} is not valid: set it to a whole number from 1 up.")
    return int(text)


def train_in_processes(jobs: Sequence[TrainingJob], done: Callable[[int, TrainedModel], None]) -> None:
    """Train ``jobs`` on the CPU, in as many processes as ``worker_count`` says.

    Args:
        jobs: what to train.
        done: called here, with the job's index and model, as soon as each job ends.

    Raises:
        PrivbenchError: a process was killed. What a job raises is raised here as it is.
    """
    for module in {type(job.model).__module__ for job in jobs}:
        _make_portable(module)
    # Made when a process is about to take them, so that few jobs at once are being handed over.
    tasks = (
        joblib.delayed(_work)(
            index, replace(job, images=EMPTY, labels=EMPTY), _array(job.images), _array(job.labels)
        )
        for index, job in enumerate(jobs)
    )
    workers = min(worker_count(), len(jobs))
    _start_trackers()
    # Each process watches this one from its start on.
    watch = {"initializer": leave_with, "initargs": (os.getpid(),)}
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1, **watch):
        pool = joblib.Parallel(
            n_jobs=workers,
            return_as="generator_unordered",
            batch_size=1,
            # joblib would write large arrays to files that the processes unpickle.
            max_nbytes=None,
            # Nothing is written there; without a name joblib makes empty folders in shared memory.
            temp_folder=tempfile.gettempdir(),
        )
        # Processes inherit what is blocked: Ctrl-C reaches this one alone, which ends the others.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            results = pool(tasks)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        try:
            for index, trained, weights in results:
                done(index, replace(trained, weights={k: torch.from_numpy(v) for k, v in weights.items()}))
        except TerminatedWorkerError as error:
            raise PrivbenchError(
                "a training process was killed, perhaps for lack of memory. Run again (finished models "
                f"are kept where there is a cache), with fewer processes: {WORKERS_VARIABLE}=1."
            ) from error
        finally:
            results.close()


def _work(
    index: int, job: TrainingJob, images: np.ndarray, labels: np.ndarray
) -> tuple[int, TrainedModel, dict[str, np.ndarray]]:
    trained = train(replace(job, images=torch.tensor(images), labels=torch.tensor(labels)), "cpu")
    if not gc.get_freeze_count():
        # The pool collects garbage after each job, which takes 0.1 s (a tenth of a small model's
        # training) unless what the imports have made is set aside.
        gc.collect()
        gc.freeze()
        atexit.register(gc.unfreeze)
    return index, replace(trained, weights={}), {k: v.numpy() for k, v in trained.weights.items()}


def _start_trackers() -> None:
    """Start the processes that clean up after a killed run, without their warnings that they did so.

    Where they are started with the others, Ctrl-C is unblocked before the others start.
    """
    sys.warnoptions.append("ignore:resource_tracker:UserWarning")
    try:
        resource_tracker.ensure_running()
        multiprocessing.resource_tracker.ensure_running()
    finally:
        sys.warnoptions.pop()


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy()


def _make_portable(name: str) -> None:
    """Let the module's classes travel as code unless a new process finds the same module."""
    module = sys.modules[name]
    spec = PathFinder.find_spec(name.partition(".")[0])
    found = spec is not None and ("." in name or spec.origin == getattr(module, "__file__", None))
    if not found and name != "__main__":
        cloudpickle.register_pickle_by_value(module)
