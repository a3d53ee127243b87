"""Which attack fits which defense."""

import pytest

from privbench.core.threat import Knowledge, described, why_not

IMAGES = frozenset({"images", "scores"})
PLAYED_ON = {
    "membership": frozenset({"scores", "weights"}),
    "reconstruction": frozenset({"images", "features"}),
}


def ask(game, needs, knowledge=frozenset(), surfaces=IMAGES, reuses_key=False):
    return why_not(
        game, PLAYED_ON[game], frozenset(needs), frozenset(knowledge), frozenset(surfaces), reuses_key
    )


def test_what_applies():
    assert ask("membership", {"scores"}) is None
    assert ask("reconstruction", {"images"}) is None
    assert ask("reconstruction", set()) is None


def test_missing_surfaces_are_named():
    assert "protect" in ask("reconstruction", {"images", "protect"})
    assert "images" not in ask("reconstruction", {"images", "protect"})
    assert ask("reconstruction", {"images", "protect"}, surfaces=IMAGES | {"protect"}) is None
    assert "exposes none" in ask("reconstruction", set(), surfaces={"scores"})
    assert "exposes none" in ask("membership", set(), surfaces={"images"})
    assert "played on one of: features, images" in ask("reconstruction", set(), surfaces={"scores"})


def test_same_key_attacks_need_a_reused_key():
    assert "fresh key" in ask("reconstruction", {"images"}, {Knowledge.REUSED_KEY})
    assert ask("reconstruction", {"images"}, {Knowledge.REUSED_KEY}, reuses_key=True) is None


@pytest.mark.parametrize("knowledge", sorted(set(Knowledge) - {Knowledge.REUSED_KEY}))
def test_other_knowledge_is_the_adversarys_own(knowledge):
    assert ask("reconstruction", {"images"}, {knowledge}) is None


def test_knowledge_is_a_set_and_told_in_words():
    assert described(frozenset()) == "ciphertext only"
    several = {Knowledge.PUBLIC_PRIOR, Knowledge.CHOSEN_INPUTS}
    assert described(several) == described(sorted(several, reverse=True)) == "chosen inputs, public prior"
    assert Knowledge("public prior") is Knowledge.PUBLIC_PRIOR
