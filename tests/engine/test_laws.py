"""Laws of membership inference through the whole house, on real data (methods: Carlini et al. 2022).

20% of the labels are noise, so that a trained model remembers what it cannot know.
"""

import pytest
import torch

from privbench.core import registry
from privbench.core.threat import Game
from privbench.core.training import TrainingConfig
from privbench.runner import settings
from privbench.runner.execute import execute
from privbench.runner.plan import PlannedCell, dataset_source
from privbench.runner.settings import Setting
from privbench.runner.stage import Stage

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def noisy_stage(shared_cache):
    patch = pytest.MonkeyPatch()
    patch.setattr(settings, "training_config", lambda scale: TrainingConfig(epochs=60))
    setting = Setting(
        dataset_source("mnist-5k[label_noise=0.2]"), registry.create("model", "cnn"), 0, "small", "cpu"
    )
    yield Stage(setting, shared_cache, lambda done, total, text: None)
    patch.undo()


def auc(stage, defense, attack):
    cell = PlannedCell(
        registry.create("defense", defense), registry.create("attack", attack), Game.MEMBERSHIP, None
    )
    record = execute(stage, cell).record
    assert record.status == "ok", record.reason
    return record.figures["auc"]


def test_lira_beats_the_loss_threshold_where_labels_are_noisy(noisy_stage):
    assert auc(noisy_stage, "none", "lira").value > auc(noisy_stage, "none", "loss-threshold").value + 0.05


def test_lira_is_at_chance_on_the_null_control(noisy_stage):
    figure = auc(noisy_stage, "blackout", "lira")
    assert figure.low <= 0.5 <= figure.high


def test_dp_sgd_lowers_lira(noisy_stage):
    private, plain = auc(noisy_stage, "dp-sgd", "lira"), auc(noisy_stage, "none", "lira")
    assert private.value < 0.6
    assert private.value < plain.value - 0.05


def test_the_shadows_of_an_adversary_say_nothing_of_the_target(noisy_stage):
    # The target's members and each shadow's are independent draws, unlike in a balanced design.
    from privbench.runner.simulator import _coin_flips

    truth = noisy_stage.truth(Game.MEMBERSHIP).members.double()
    masks = torch.stack([_coin_flips(len(truth), seed) for seed in range(400)]).double()
    agreement = ((masks == truth).double().mean(1) - 0.5) * 2 * len(truth) ** 0.5
    assert abs(float(agreement.mean())) < 4 / 400**0.5
