"""Many models: one function that picks the fastest way for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import torch

from privbench.core.errors import UserError
from privbench.core.training import TrainedModel, TrainingJob
from privbench.core.warned import heard
from privbench.training.plan import check_job
from privbench.training.train import train

Way = Literal["auto", "serial", "processes", "batched"]
OnDone = Callable[[int, TrainedModel], None]


def train_many(
    jobs: Sequence[TrainingJob],
    device: torch.device | str,
    way: Way = "auto",
    on_done: OnDone | None = None,
) -> list[TrainedModel]:
    """Train every job and return the models in the jobs' order.

    The figures do not depend on the way: ``serial`` and ``processes`` give the same bytes on a
    CPU, ``batched`` agrees up to rounding.

    Args:
        jobs: what to train.
        device: where to train.
        way: ``serial``: one after the other, here. ``processes``: one single-threaded process
            for each core (CPU only; the environment variable PRIVBENCH_WORKERS sets how many).
            ``batched``: models that agree in all but data, seed and learning rate as one
            computation, the others (batch normalisation, dropout, DP-SGD) one after the other.
            ``auto``: processes on a CPU with several cores, batched on CUDA.
        on_done: called here with a job's index and model as soon as it is trained; the order is
            that of finishing.

    Raises:
        UserError: a way that the device does not offer. What a job raises is raised as it is;
            jobs that were done before it have been handed to ``on_done``.
    """
    device = torch.device(device)
    for job in jobs:
        check_job(job)
    chosen = _choose(len(jobs), device) if way == "auto" else way
    models: dict[int, TrainedModel] = {}

    def done(index: int, trained: TrainedModel) -> None:
        models[index] = trained
        if on_done is not None:
            on_done(index, trained)

    if not jobs:
        return []
    if chosen == "processes":
        if device.type != "cpu":
            raise UserError(f"way='processes' trains on the CPU, not on {device}. Use 'batched' or 'serial'.")
        from privbench.training.processes import train_in_processes

        train_in_processes(jobs, done)
    elif chosen == "batched":
        from privbench.training.batched import train_batched

        with heard() as warned:
            left = train_batched(jobs, device, lambda k, m: done(k, replace(m, warnings=warned.texts())))
        for index in left:
            done(index, train(jobs[index], device))
    else:
        for index, job in enumerate(jobs):
            done(index, train(job, device))
    return [models[index] for index in range(len(jobs))]


def _choose(count: int, device: torch.device) -> Way:
    if count < 2:
        return "serial"
    if device.type != "cpu":
        return "batched"
    from privbench.training.processes import worker_count

    return "processes" if worker_count() > 1 else "serial"
