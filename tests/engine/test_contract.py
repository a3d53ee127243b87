"""Every attack is held to the controls: it wins on ``none``, not on ``blackout``, and ``blind`` is the floor.

A new attack is covered without new test code. Labels are noisy and training is long, so that a
target trained on few images leaks as much as one wants of a control that must be broken.
"""

import pytest
import torch

from privbench.core import registry
from privbench.core.threat import Game, why_not
from privbench.core.training import TrainingConfig
from privbench.runner import settings
from privbench.runner.execute import execute
from privbench.runner.plan import PlannedCell, dataset_source
from privbench.runner.settings import Setting
from privbench.runner.stage import Stage

HEADLINES = {Game.MEMBERSHIP: "auc", Game.RECONSTRUCTION: "ssim", Game.FEATURE: "feature-mcc"}
CELLS = [
    (name, game) for name in registry.names("attack") for game in sorted(registry.find("attack", name).games)
]


@pytest.fixture(scope="module")
def leaky_stage(shared_cache):
    patch = pytest.MonkeyPatch()
    patch.setattr(settings, "training_config", lambda scale: TrainingConfig(epochs=40, batch_size=32))
    setting = Setting(
        dataset_source("mnist-5k[label_noise=0.3]"), registry.create("model", "cnn"), 0, "smoke", "cpu"
    )
    yield Stage(setting, shared_cache, lambda done, total, text: None)
    patch.undo()


@pytest.fixture(scope="module")
def results():
    return {}


def figure(stage, results, defense_name, attack_name, game):
    key = (defense_name, attack_name, game)
    if key not in results:
        defense, attack = registry.create("defense", defense_name), registry.create("attack", attack_name)
        reason = why_not(
            game, attack.required_surfaces, attack.required_knowledge, defense.surfaces, defense.reuses_key
        )
        assert reason is None, "the controls expose everything, so that every attack can be certified"
        record = execute(stage, PlannedCell(defense, attack, game, None)).record
        assert record.status == "ok", record.reason
        results[key] = record.figures[HEADLINES[game]]
    return results[key]


@pytest.mark.parametrize(("attack", "game"), [c for c in CELLS if c[0] != "blind"])
def test_attacks_break_no_defense(leaky_stage, results, attack, game):
    floor = figure(leaky_stage, results, "none", "blind", game)
    got = figure(leaky_stage, results, "none", attack, game)
    assert got.low > floor.value


@pytest.mark.parametrize(("attack", "game"), [c for c in CELLS if c[0] != "blind"])
def test_attacks_are_at_chance_on_blackout(leaky_stage, results, attack, game):
    floor = figure(leaky_stage, results, "blackout", "blind", game)
    got = figure(leaky_stage, results, "blackout", attack, game)
    assert got.low <= floor.value


@pytest.mark.parametrize("defense", ["none", "blackout"])
def test_blind_is_at_chance(leaky_stage, results, defense):
    assert figure(leaky_stage, results, defense, "blind", Game.MEMBERSHIP).value == 0.5
    assert figure(leaky_stage, results, defense, "blind", Game.FEATURE).value == 0
    assert figure(leaky_stage, results, defense, "blind", Game.RECONSTRUCTION).value < 0.3


@pytest.mark.parametrize(("attack", "game"), CELLS)
def test_the_same_seed_gives_the_same_guess(stage, attack, game):
    from privbench.runner.execute import play

    defense, attack = registry.create("defense", "pixelate"), registry.create("attack", attack)
    first, queries, _, _ = play(stage, defense, attack, game)
    torch.manual_seed(12345)
    second, again, _, _ = play(stage, defense, attack, game)
    assert torch.equal(first, second)
    assert queries == again


def test_dp_sgd_lowers_lira(leaky_stage, results):
    plain = figure(leaky_stage, results, "none", "lira", Game.MEMBERSHIP)
    private = figure(leaky_stage, results, "dp-sgd", "lira", Game.MEMBERSHIP)
    assert private.value < plain.value - 0.05
