"""Many tasks on a CPU: one single-threaded process for each core.

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
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any, TypeVar

import joblib
from joblib.externals.loky.backend import resource_tracker
from joblib.externals.loky.process_executor import TerminatedWorkerError

from privbench.core.errors import PrivbenchError, UserError
from privbench.core.training import TrainedModel, TrainingJob
from privbench.training._portable import Packed, pack, unpack
from privbench.training._watch import leave_with
from privbench.training.train import train

WORKERS_VARIABLE = "PRIVBENCH_WORKERS"

T = TypeVar("T")


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
    run_in_processes(train, [(job, "cpu") for job in jobs], done)


def run_in_processes(
    function: Callable[..., T], tasks: Iterable[tuple[Any, ...]], done: Callable[[int, T], None]
) -> None:
    """Call ``function`` once for each of ``tasks``, in as many processes as ``worker_count`` says.

    Nothing is written to files. Torch computes on one thread in a process. The random state there is
    that of the process: what ``function`` draws must come from seeds among its arguments.

    Args:
        function: what to call; it and its arguments may belong to a file given by its path.
        tasks: the arguments of each call: plain data, methods, tensors (which arrive on the CPU), and
            structures of them. Tasks without a length are taken one by one, shortly before they start.
        done: called here, with the task's index and what ``function`` returned, as soon as each call
            ends; the order is that of finishing.

    Raises:
        PrivbenchError: a process was killed. What a call raises is raised here as it is.
    """
    # Packed when a process is about to take them, so that few tasks at once are being handed over.
    calls = (
        joblib.delayed(_work)(index, sys.path, pack((function, arguments)))
        for index, arguments in enumerate(tasks)
    )
    workers = min(worker_count(), len(tasks)) if isinstance(tasks, Sized) else worker_count()
    if not workers:
        return
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
            results = pool(calls)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
        try:
            for index, packed in results:
                done(index, unpack(packed))
        except TerminatedWorkerError as error:
            raise PrivbenchError(
                "a training process was killed, perhaps for lack of memory. Run again (finished models "
                f"are kept where there is a cache), with fewer processes: {WORKERS_VARIABLE}=1."
            ) from error
        finally:
            results.close()


def _work(index: int, path: list[str], packed: Packed) -> tuple[int, Packed]:
    # This process may be older than the parent's last additions.
    sys.path.extend(entry for entry in path if entry not in sys.path)
    function, arguments = unpack(packed)
    result = function(*arguments)
    if not gc.get_freeze_count():
        # The pool collects garbage after each job, which takes 0.1 s (a tenth of a small model's
        # training) unless what the imports have made is set aside.
        gc.collect()
        gc.freeze()
        atexit.register(gc.unfreeze)
    return index, pack(result)


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
