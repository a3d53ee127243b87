import pytest

from privbench.core import registry
from privbench.core.images import LabelledImages
from privbench.core.threat import Game


@pytest.mark.parametrize("selector", ["vim[key=fixed]", "vim[key=fixed-per-window]", "vim"])
def test_shadows_answer_under_the_keys_that_they_trained_with(stage, selector):
    # Under another fixed key a shadow does not even know the images that it trained on.
    defense = registry.create("defense", selector)
    challenge = stage.challenge(defense, Game.MEMBERSHIP)
    view = stage.view(defense, Game.MEMBERSHIP, "lira")
    shadows = view.shadows(LabelledImages(challenge.images, challenge.labels), 2)
    right = shadows.log_probs(challenge.images).argmax(-1) == challenge.labels
    served = view.scores(challenge.images).argmax(-1) == challenge.labels
    members = stage.truth(Game.MEMBERSHIP).members
    shadow, target = float(right[shadows.membership].float().mean()), float(served[members].float().mean())
    assert abs(shadow - target) < 0.05, (shadow, target)
