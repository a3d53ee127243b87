import pytest
import torch

from privbench.core import registry
from privbench.core.threat import Game


@pytest.mark.parametrize("selector", ["vim[key=fixed]", "vim[key=fixed-per-window]", "vim"])
def test_an_adversary_that_does_not_know_the_key_tries_a_new_one_for_each_image(stage, selector):
    view = stage.view(registry.create("defense", selector), Game.RECONSTRUCTION, "restoration")
    same = torch.arange(784.0).div(784).view(1, 1, 28, 28).expand(6, -1, -1, -1)
    assert len(torch.unique(view.simulate(same, "epoch", 0), dim=0)) == 6
    assert torch.equal(view.simulate(same, "epoch", 0), view.simulate(same, "epoch", 0))
