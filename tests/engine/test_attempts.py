"""One guess for all defenses, where an attack looks at none."""

from dataclasses import replace

import pytest
import torch
from sessions import adversary_of, cell_of, session_of, setting_of

from privbench.core.content import content_digest
from privbench.core.registry import create
from privbench.engine.attempts import guess_key
from privbench.engine.execute import execute
from privbench.engine.executors.guess import Answer
from privbench.games.attribute import AttributeChallenge
from privbench.store.cache import Cache


class CountingExecutor:
    """Counts guesses; answers each game's floor."""

    flags = ()

    def __init__(self):
        self.asked = []

    def start(self):
        pass

    def guess(self, adversary, challenge):
        self.asked.append((adversary.attack.selector, adversary.defense.selector))
        shape = (len(challenge), *adversary.defender.setting.shape)
        return Answer(torch.full(shape, 0.5), {})


def test_blind_guesses_once_and_who_looks_guesses_anew(tmp_path):
    executor = CountingExecutor()
    session = session_of(setting_of(epochs=1), Cache(tmp_path, pytest.fail), executor)
    for attack in ("blind", "window-mean"):
        for defense in ("none", "vim", "blackout"):
            result = execute(session, cell_of(defense, attack, "reconstruction"))
            assert result.record.status == "ok", result.record.reason
            assert result.record.cell.defense == defense
    assert executor.asked.count(("blind", "none")) == 1
    assert len(executor.asked) == 4


def test_the_shared_key_is_of_the_attack_the_game_and_the_challenge(tmp_path):
    session = session_of(setting_of(epochs=1), Cache(tmp_path, pytest.fail))
    keys = {}
    for defense in ("none", "vim"):
        for attack, game in (
            ("blind", "membership"),
            ("blind", "reconstruction"),
            ("confidence", "membership"),
        ):
            adversary = adversary_of(session, defense, attack, game)
            cell = cell_of(defense, attack, game)
            keys[defense, attack, game] = guess_key(session.setting, cell, adversary.challenge())
    assert keys["none", "blind", "membership"] == keys["vim", "blind", "membership"]
    assert keys["none", "confidence", "membership"] != keys["vim", "confidence", "membership"]
    assert len(set(keys.values())) == 4


def test_a_digest_is_of_the_whole_challenge():
    shown = AttributeChallenge(2, ("a", "b"), (2, 3), releases={"images": torch.rand(2, 1, 4, 4)})
    digests = {
        content_digest(each)
        for each in (
            shown,
            replace(shown, targets=("a", "c")),
            replace(shown, cardinalities=(3, 2)),
            replace(shown, releases={"images": shown.releases["images"] + 1}),
            replace(shown, releases={"images": shown.releases["images"].reshape(2, 4, 4)}),
            replace(shown, releases={"images": shown.releases["images"].double()}),
            replace(shown, releases={}),
        )
    }
    assert len(digests) == 7
    assert content_digest(shown) == content_digest(replace(shown))
    assert content_digest(torch.tensor(1.0)) != content_digest(torch.tensor([1.0]))


def test_only_the_floor_ignores_defenses():
    from privbench.core import registry

    ignoring = [name for name in registry.names("attack") if create("attack", name).ignores_defense]
    assert ignoring == ["blind"]
    assert not create("attack", "blind").required_surfaces
