"""Laws of membership inference through the whole house, on real data (methods: Carlini et al. 2022).

20% of the labels are noise, so that a trained model remembers what it cannot know.
"""

import pytest
import torch
from sessions import adversary_of, cell_of, session_of, setting_of

from privbench.engine import seeds
from privbench.engine.execute import execute
from privbench.engine.fitting import shadow_members, shadow_seeds

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def noisy(shared_cache):
    return session_of(setting_of("mnist-5k[label_noise=0.2]", scale="small", epochs=60), shared_cache)


def auc(session, defense, attack):
    record = execute(session, cell_of(defense, attack, "membership")).record
    assert record.status == "ok", record.reason
    return record.figures["auc"]


def test_lira_beats_the_loss_threshold_where_labels_are_noisy(noisy):
    assert auc(noisy, "none", "lira").value > auc(noisy, "none", "loss-threshold").value + 0.05


def test_lira_is_at_chance_on_the_null_control(noisy):
    figure = auc(noisy, "blackout", "lira")
    assert figure.low <= 0.5 <= figure.high


def test_dp_sgd_lowers_lira(noisy):
    private, plain = auc(noisy, "dp-sgd", "lira"), auc(noisy, "none", "lira")
    assert private.value < 0.6
    assert private.value < plain.value - 0.05


def test_the_shadows_of_an_adversary_say_nothing_of_the_target(noisy):
    # The target's members and each shadow's are independent draws, unlike in a balanced design.
    adversary = adversary_of(noisy, "none", "lira", "membership")
    truth = adversary.game.truth(adversary.case).members.double()
    drawn = shadow_seeds(seeds.shadows(0), 400)
    masks = torch.stack([shadow_members(seed, len(truth)) for seed in drawn]).double()
    agreement = ((masks == truth).double().mean(1) - 0.5) * 2 * len(truth) ** 0.5
    assert abs(float(agreement.mean())) < 4 / 400**0.5
