from types import SimpleNamespace

import pytest
import torch

from privbench.attacks._held_out import held_out
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages


def view(count, identities=None):
    data = LabelledImages(torch.rand(count, 1, 8, 8), torch.zeros(count, dtype=torch.int64), identities)
    return SimpleNamespace(auxiliary=data, device=torch.device("cpu"), seed=lambda *axes: 7)


def test_a_share_is_held_out_and_nothing_is_lost():
    held, rest = held_out(view(50), "x", 10)
    assert len(held) == 5
    assert sorted([*held.tolist(), *rest.tolist()]) == list(range(50))


def test_whole_identities_are_held_out():
    identities = torch.arange(60) // 10 + 3
    held, rest = held_out(view(60, identities), "x", 3)
    assert set(identities[held].tolist()).isdisjoint(identities[rest].tolist())
    assert len(held) == 20
    assert len(rest) == 40


@pytest.mark.parametrize(
    "sizes", [[40], [38, 2], [2, 38], [30, 5, 5], [20, 20], [13, 14, 13], [21, 19], [1, 1, 38], [4] * 10]
)
def test_whoever_is_there_something_is_left_to_learn_from(sizes):
    people = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    held, rest = held_out(view(40, people), "x", 5)
    assert sorted([*held.tolist(), *rest.tolist()]) == list(range(40))
    assert len(held) >= 1
    assert len(rest) >= 20
    if len(sizes) > 1:
        assert set(people[held].tolist()).isdisjoint(people[rest].tolist())


def test_too_few_images_are_refused():
    with pytest.raises(UserError, match="at least 10"):
        held_out(view(9), "x", 3)
