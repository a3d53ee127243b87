"""Every attack is held to the controls: it wins on ``none``, not on ``blackout``, and the floors are chance.

A new attack is covered without new test code. Labels are noisy and training is long, so that a
target trained on few images leaks as much as one wants of a control that must be broken.
"""

import pytest
import torch
from sessions import adversary_of, cell_of, made, session_of, setting_of

from privbench.core import registry
from privbench.core.controls import FLOOR
from privbench.core.threat import why_not
from privbench.engine.attempts import attempt
from privbench.engine.execute import Session, execute
from privbench.engine.scoring import metrics_of

CELLS = [
    (name, game)
    for name in registry.names("attack")
    for game in sorted(registry.create("attack", name).plays)
]
ATTACKS = [cell for cell in CELLS if cell[0] != FLOOR]
CHANCE = {"membership": 0.5, "linkage": 0.5, "attribute": 0}
PLAIN = ["pixelate", "plain-encoder", "fedavg[rounds=2,epochs=1]", "none"]
"""Defenses that are fitted quickly; the first that exposes what an attack needs is taken."""
CHEAPER = {"decoder": "decoder[steps=20]"}
"""What takes long at its defaults, to be played twice."""


@pytest.fixture(scope="module")
def leaky(shared_cache):
    return session_of(setting_of("mnist-5k[label_noise=0.3]", epochs=40, batch_size=32), shared_cache)


@pytest.fixture(scope="module")
def results():
    return {}


def reason(defense, attack, game):
    defense, attack, game = made("defense", defense), made("attack", attack), made("game", game)
    return why_not(
        game.registry_name,
        game.played_on,
        attack.required_surfaces,
        attack.required_knowledge,
        defense.exposes,
        defense.reuses_key,
    )


def figure(session, results, defense, attack, game):
    key = (defense, attack, game)
    if key not in results:
        assert reason(defense, attack, game) is None, "the controls expose everything"
        record = execute(session, cell_of(defense, attack, game)).record
        assert record.status == "ok", record.reason
        metrics = metrics_of(registry.create("game", game).subject, 10)
        [headline] = [metric.selector for metric in metrics if metric.headline]
        results[key] = record.figures[headline]
    return results[key]


def floor(session, results, defense, game):
    """What the best floor of a game gets."""
    floors = registry.create("game", game).floors
    return max(figure(session, results, defense, name, game).value for name in floors)


@pytest.mark.parametrize(("attack", "game"), ATTACKS)
def test_attacks_break_no_defense(leaky, results, attack, game):
    assert figure(leaky, results, "none", attack, game).low > floor(leaky, results, "none", game)


@pytest.mark.parametrize(("attack", "game"), ATTACKS)
def test_attacks_are_at_chance_on_blackout(leaky, results, attack, game):
    assert figure(leaky, results, "blackout", attack, game).low <= floor(leaky, results, "blackout", game)


@pytest.mark.parametrize("defense", ["none", "blackout"])
@pytest.mark.parametrize("game", registry.names("game"))
def test_floors_are_at_chance(leaky, results, defense, game):
    if game in CHANCE:
        assert floor(leaky, results, defense, game) == CHANCE[game]
    else:
        assert figure(leaky, results, defense, FLOOR, game).value < 0.3
        assert floor(leaky, results, defense, game) < 0.35


@pytest.mark.parametrize(("attack", "game"), CELLS)
def test_the_same_seed_gives_the_same_guess_wherever_it_is_played(session, isolated, attack, game):
    attack = CHEAPER.get(attack, attack)
    defense = next(name for name in PLAIN if reason(name, attack, game) is None)
    adversary, other = (adversary_of(session, defense, attack, game) for _ in range(2))
    here = attempt(session.executor, adversary, adversary.challenge())
    torch.manual_seed(12345)
    away = Session(session.setting, session.defender, session.referee, isolated)
    there = attempt(away.executor, other, other.challenge())
    assert torch.equal(here.guess, there.guess)
    assert here.queries == there.queries
    assert here.log == there.log
    assert (len(here.flags), there.flags) == (1, ())


def test_dp_sgd_lowers_lira(leaky, results):
    plain = figure(leaky, results, "none", "lira", "membership")
    private = figure(leaky, results, "dp-sgd", "lira", "membership")
    assert private.value < plain.value - 0.05
