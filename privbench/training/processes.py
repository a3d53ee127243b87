"""Many models on a CPU: one single-threaded process for each core.

The processes (joblib's loky) stay alive between calls, since starting one costs seconds, and
leave within about a second when their parent dies.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.machinery import PathFinder

import cloudpickle  # type: ignore[import-untyped]
import joblib
import numpy as np
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError

from privbench.core.errors import PrivbenchError, UserError
from privbench.core.training import TrainedModel, TrainingJob
from privbench.training.loop import train

WORKERS_VARIABLE = "PRIVBENCH_WORKERS"

_watched: set[int] = set()


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
    parent = os.getpid()
    # Made when a process is about to take them, so that few jobs at once are being handed over.
    tasks = (
        joblib.delayed(_work)(parent, index, _portable(job), _array(job.images), _array(job.labels))
        for index, job in enumerate(jobs)
    )
    workers = min(worker_count(), len(jobs))
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        # No max_nbytes: joblib would write large arrays to files that the processes unpickle.
        pool = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1, max_nbytes=None)
        results = pool(tasks)
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
    parent: int, index: int, job: bytes, images: np.ndarray, labels: np.ndarray
) -> tuple[int, TrainedModel, dict[str, np.ndarray]]:
    _leave_with(parent)
    # The bytes come from the parent process through joblib's pipe, never from disk or a network.
    full = replace(pickle.loads(job), images=torch.tensor(images), labels=torch.tensor(labels))  # noqa: S301
    trained = train(full, "cpu")
    return index, replace(trained, weights={}), {k: v.numpy() for k, v in trained.weights.items()}


def _leave_with(parent: int) -> None:
    """Watch the parent process from a thread, and end this one when it is gone."""
    if parent in _watched:
        return
    _watched.add(parent)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, name="privbench-parent-watch", daemon=True).start()


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().numpy()


def _portable(job: TrainingJob) -> bytes:
    """Pickle a job without its data, with the model's code where a new process cannot import it."""
    empty = replace(job, images=torch.empty(0), labels=torch.empty(0))
    with _by_value(type(job.model).__module__):
        return bytes(cloudpickle.dumps(empty))


@contextlib.contextmanager
def _by_value(name: str) -> Iterator[None]:
    """Let the module's classes be pickled as code unless a new process finds the same module."""
    module = sys.modules[name]
    spec = PathFinder.find_spec(name.partition(".")[0])
    found = spec is not None and ("." in name or spec.origin == getattr(module, "__file__", None))
    if found or name == "__main__":
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)
