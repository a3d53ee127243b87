"""Fitting many defenses, or one many times: in waves, together where that is faster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

from privbench.core.defense import Defense, TrainingDefense
from privbench.core.training import TrainedModel
from privbench.engine.fitting import Fit, Recipe, fit_one
from privbench.training.many import train_many

_WAVE = 32
_WAVE_BYTES = 2**31

Done: TypeAlias = Callable[[int, TrainedModel], None]


def fit_many(fits: Sequence[Fit], recipe: Recipe, done: Done) -> None:
    """Make all ``fits``, in waves that fit in memory.

    Those that are one training are trained together; others on a CPU in as many processes as
    ``worker_count`` says, and one by one on CUDA. The models do not depend on which.

    Args:
        fits: what to fit.
        recipe: how models are taught.
        done: called with the number of a fit and its model as soon as it is made; the order is that of
            finishing.
    """
    for wave in _waves(fits):
        together = [k for k in wave if _is_one_training(fits[k].defense)]
        alone = [k for k in wave if k not in together]
        _train_together([fits[k] for k in together], recipe, _numbered(together, done))
        _fit_apart([fits[k] for k in alone], recipe, _numbered(alone, done))


def _waves(fits: Sequence[Fit]) -> Iterator[list[int]]:
    """The numbers of the fits that are made at once."""
    wave: list[int] = []
    held = 0
    for number, fit in enumerate(fits):
        if wave and (len(wave) == _WAVE or held + fit.size() > _WAVE_BYTES):
            yield wave
            wave, held = [], 0
        wave.append(number)
        held += fit.size()
    if wave:
        yield wave


def _is_one_training(defense: Defense) -> bool:
    return isinstance(defense, TrainingDefense) and type(defense).fit is TrainingDefense.fit


def _numbered(numbers: list[int], done: Done) -> Done:
    return lambda index, model: done(numbers[index], model)


def _train_together(fits: Sequence[Fit], recipe: Recipe, done: Done) -> None:
    jobs = []
    for fit in fits:
        assert isinstance(fit.defense, TrainingDefense)
        trainer = recipe.trainer(fit.seed, fit.keys_seed)
        jobs.append(fit.defense.training_job(fit.data, fit.public, trainer))
    train_many(jobs, recipe.device, on_done=done)


def _fit_apart(fits: Sequence[Fit], recipe: Recipe, done: Done) -> None:
    if recipe.device.type == "cpu" and len(fits) > 1:
        from privbench.training.processes import run_in_processes, worker_count

        if worker_count() > 1:
            # Each is sent what it is fitted to, not the pool that this is drawn from.
            sent = (replace(fit, private=fit.data, members=None) for fit in fits)
            run_in_processes(fit_one, [(fit, recipe) for fit in sent], done)
            return
    for number, fit in enumerate(fits):
        done(number, fit_one(fit, recipe))
