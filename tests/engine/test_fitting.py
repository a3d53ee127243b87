"""Many fits: the same bytes here, together and in other processes, whatever kinds of defenses they are of."""

from __future__ import annotations

import pytest
import torch
from federated import CPU, SHAPE, mnist, model_of

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.core.seeds import derive_seed
from privbench.core.training import TrainingConfig
from privbench.engine.fit_many import _waves, fit_many
from privbench.engine.fitting import (
    Fit,
    Recipe,
    fit_one,
    shadow_fit,
    shadow_members,
    shadow_seeds,
    training_keys,
)
from privbench.tasks.classes import Classes
from privbench.training import processes

RECIPE = Recipe(Classes(), model_of("cnn"), TrainingConfig(), 10, SHAPE, CPU)
DATA = mnist()[:120]
FEDAVG = registry.create("defense", "fedavg[rounds=2,epochs=1,clients=4]")


def fit(seeds, defense=FEDAVG):
    done = {}

    def keep(number, model):
        assert number not in done
        done[number] = model

    fit_many([shadow_fit(defense, DATA, DATA[:0], seed) for seed in seeds], RECIPE, keep)
    return done


def test_processes_give_the_bytes_of_a_loop(monkeypatch):
    seeds = shadow_seeds(5, 3)
    monkeypatch.setenv(processes.WORKERS_VARIABLE, "2")
    apart = fit(seeds)
    monkeypatch.setenv(processes.WORKERS_VARIABLE, "1")
    # Workers compute on one thread, and so does the loop, whatever is set here.
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    monkeypatch.setattr(processes, "run_in_processes", None)
    here = fit(seeds)
    torch.set_num_threads(threads)
    assert sorted(apart) == sorted(here) == [0, 1, 2]
    for number, model in here.items():
        assert model.losses == apart[number].losses
        assert all(torch.equal(value, apart[number].weights[name]) for name, value in model.weights.items())
    assert len({model.losses for model in here.values()}) == 3


def test_a_shadow_is_fitted_to_its_half_under_its_own_seeds():
    (seed,) = shadow_seeds(5, 1)
    trainer = RECIPE.trainer(derive_seed(seed, "train"), training_keys(seed))
    wanted = FEDAVG.fit(DATA[shadow_members(seed, len(DATA))], DATA[:0], trainer)
    assert fit([seed])[0].losses == wanted.losses


def test_what_a_fit_raises_in_a_process_is_raised_here(monkeypatch):
    monkeypatch.setenv(processes.WORKERS_VARIABLE, "2")
    with pytest.raises(UserError, match="1000 clients for"):
        fit(shadow_seeds(5, 2), registry.create("defense", "fedavg[clients=1000]"))


def test_different_defenses_are_fitted_together_as_one_by_one(monkeypatch):
    monkeypatch.setenv(processes.WORKERS_VARIABLE, "2")
    defenses = [registry.create("defense", name) for name in ("vim", FEDAVG.selector, "none", "blackout")]
    fits = [Fit(defense, DATA, mnist()[:40], 3, 4) for defense in defenses]
    done = {}
    fit_many(fits, RECIPE, done.__setitem__)
    assert sorted(done) == [0, 1, 2, 3]
    for number, wanted in enumerate(fit_one(each, RECIPE) for each in fits):
        assert done[number].losses == wanted.losses
        for name, value in wanted.weights.items():
            assert torch.equal(done[number].weights[name], value), fits[number].defense.selector


def test_waves_hold_every_fit_once_and_little_at_a_time(monkeypatch):
    monkeypatch.setattr("privbench.engine.fit_many._WAVE", 3)
    whole = Fit(FEDAVG, DATA, DATA[:0], 3, 4)
    halves = [shadow_fit(FEDAVG, DATA, DATA[:0], seed) for seed in shadow_seeds(5, 4)]
    assert list(_waves([])) == []
    assert list(_waves([whole] * 7)) == [[0, 1, 2], [3, 4, 5], [6]]
    monkeypatch.setattr("privbench.engine.fit_many._WAVE_BYTES", int(1.7 * whole.size()))
    assert list(_waves([whole, *halves, whole])) == [[0, 1], [2, 3, 4], [5]]
    monkeypatch.setattr("privbench.engine.fit_many._WAVE_BYTES", 1)
    assert list(_waves([whole, whole])) == [[0], [1]], "one that is too large alone is made alone"
