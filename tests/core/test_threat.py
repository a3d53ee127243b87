from privbench.core.threat import Game, Knowledge, Surface, why_not

IMAGES = frozenset({Surface.IMAGES, Surface.SCORES})


def ask(game, needs, knowledge=Knowledge.PUBLIC_PRIOR, surfaces=IMAGES, reuses_key=False):
    return why_not(game, frozenset(needs), knowledge, frozenset(surfaces), reuses_key)


def test_what_applies():
    assert ask(Game.MEMBERSHIP, {Surface.SCORES}) is None
    assert ask(Game.RECONSTRUCTION, {Surface.IMAGES}) is None


def test_missing_surfaces_are_named():
    assert "protect" in ask(Game.RECONSTRUCTION, {Surface.IMAGES, Surface.PROTECT})
    assert "exposes none" in ask(Game.RECONSTRUCTION, set(), surfaces={Surface.SCORES})
    assert "exposes none" in ask(Game.MEMBERSHIP, set(), surfaces={Surface.IMAGES})


def test_same_key_attacks_need_a_reused_key():
    assert "fresh key" in ask(Game.RECONSTRUCTION, {Surface.IMAGES}, Knowledge.SAME_KEY)
    assert ask(Game.RECONSTRUCTION, {Surface.IMAGES}, Knowledge.SAME_KEY, reuses_key=True) is None


def test_the_knowledge_ladder_is_ordered():
    assert (
        Knowledge.CIPHERTEXT_ONLY < Knowledge.PUBLIC_PRIOR < Knowledge.KNOWN_PAIRS < Knowledge.CHOSEN_INPUTS
    )
    assert Knowledge.PUBLIC_PRIOR.label == "public prior"
