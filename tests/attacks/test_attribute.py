"""Laws of attribute inference from features."""

from __future__ import annotations

import warnings

import pytest
import torch
from fakes import Veil, World, make_world

from privbench.core.errors import UserError


def guessed(world: World, *targets: str, selector: str = "attribute[strengths=4]") -> torch.Tensor:
    return world.guess(selector, "attribute", targets)


def right(guess: torch.Tensor, truth: torch.Tensor) -> float:
    return float((guess == truth).double().mean())


def test_reads_the_class_from_features() -> None:
    world = make_world()
    guess = guessed(world, "class")
    majority = world.auxiliary.labels.mode().values
    assert right(guess[:, 0], world.shown.labels) > 0.85
    assert right(majority.expand(len(guess)), world.shown.labels) < 0.3
    assert world.queries == {"features": len(world.auxiliary)}


def test_reads_attributes_in_the_order_asked() -> None:
    world = make_world()
    guess = guessed(world, "low", "odd")
    assert right(guess[:, 0], world.shown.attributes[:, 1]) > 0.7
    assert right(guess[:, 1], world.shown.attributes[:, 0]) > 0.8
    assert {"validation-low", "validation-odd"} <= set(world.log)


def test_is_at_chance_on_noise() -> None:
    found = []
    for seed in range(3):
        world = make_world(leaky=False, seed=seed)
        found.append(right(guessed(world, "class")[:, 0], world.shown.labels))
    # 300 answers at 0.1: three standard errors are 0.052.
    assert abs(sum(found) / 3 - 0.1) < 0.052


def test_rare_values_are_answered_too() -> None:
    world = make_world()
    rare = (world.auxiliary.labels == 0).long()
    world.auxiliary.attributes[:, 0] = rare
    guess = guessed(world, "odd")[:, 0]
    zeros = world.shown.labels == 0
    assert 0.5 < right(guess[zeros], torch.ones(int(zeros.sum()))) <= 1
    assert right(guess[~zeros], torch.zeros(int((~zeros).sum()))) > 0.9


class Odd(Veil):
    """Features with numbers that never vary, that vary by rounding, and of very different sizes."""

    registry_name = "odd-features"

    def encode(self, model, module, images, keys):
        plain = super().encode(model, module, images, keys)
        still = torch.full((len(images), 1), 7.3)
        rounded = still + 1e-7 * keys.uniform(1)
        return torch.cat([plain * 1e4, still, rounded, plain[:, :1] * 1e-6], 1)


def test_constant_features_and_scales_do_no_harm() -> None:
    world, plain = make_world(), make_world()
    world.defense = Odd(window=4)
    guess = guessed(world, "class")[:, 0]
    assert right(guess, world.shown.labels) > right(guessed(plain, "class")[:, 0], plain.shown.labels) - 0.03


def test_an_attribute_with_one_value_is_answered() -> None:
    world = make_world()
    world.auxiliary.attributes[:, 0] = 1
    assert guessed(world, "odd").unique().tolist() == [1]


def test_a_class_that_the_training_part_lacks_costs_only_itself() -> None:
    world = make_world()
    keep = world.auxiliary.labels != 3
    world.auxiliary = world.auxiliary[keep]
    guess = guessed(world, "class")[:, 0]
    there = world.shown.labels != 3
    assert right(guess[there], world.shown.labels[there]) > 0.85
    assert not (guess == 3).any()


def test_a_class_with_one_image_is_survived() -> None:
    world = make_world()
    labels = world.auxiliary.labels
    keep = labels != 3
    keep[int((labels == 3).nonzero()[0])] = True
    world.auxiliary = world.auxiliary[keep]
    assert right(guessed(world, "class")[:, 0], world.shown.labels) > 0.7


def test_no_warning_reaches_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    from privbench.attacks import attribute

    # Two iterations are too few for any solver.
    monkeypatch.setattr(attribute, "_ITERATIONS", 2)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        guessed(make_world(), "class")
    assert [str(w.message) for w in caught if "onverg" in str(w.message)] == []


def test_an_answer_does_not_depend_on_what_else_is_asked() -> None:
    both = make_world()
    assert torch.equal(guessed(both, "odd", "low")[:, 1:], guessed(make_world(), "low"))


def test_unknown_attributes_are_refused() -> None:
    with pytest.raises(UserError, match="has no attributes beard"):
        guessed(make_world(), "odd", "beard")


def test_too_little_auxiliary_data_is_refused() -> None:
    world = make_world()
    world.auxiliary = world.auxiliary[:9]
    with pytest.raises(UserError, match="attribute learns from at least 10 auxiliary images"):
        guessed(world, "class")
