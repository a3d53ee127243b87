"""Laws of the attacks on hidden attributes that read released images."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fakes import World, make_world

from privbench.attacks import classifier
from privbench.core.errors import TrainingDiverged, UserError
from privbench.training import many


def _guess(world: World, selector: str, *targets: str) -> torch.Tensor:
    return world.guess(selector, "attribute", targets)


def test_blind_answers_the_majority() -> None:
    world = make_world()
    known = world.auxiliary
    assert (_guess(world, "blind", "class") == known.labels.bincount().argmax()).all()
    both = _guess(world, "blind", "low", "odd")
    majority = (known.attributes.double().mean(0) > 0.5).long()
    assert (both == majority[[1, 0]]).all()


def test_classifier_reads_digits_through_a_shuffle() -> None:
    world = make_world(window=4)
    guess = _guess(world, "classifier[epochs=10]", "class")
    assert float((guess[:, 0] == world.shown.labels).double().mean()) > 0.7
    assert world.queries == {}
    loss = world.log["loss-class"]
    assert len(loss) in {10, 20, 40}
    assert loss[-1] < loss[0]
    assert max(world.log["validation-class"]) > 0.7


def rivals_that_always_answer_0(monkeypatch: pytest.MonkeyPatch) -> None:
    never = torch.zeros(1, dtype=torch.int64)
    for name in ("linear_reader", "kernel_reader"):
        monkeypatch.setattr(classifier, name, lambda *_, **__: lambda images: never.expand(len(images)))


def test_the_winner_learns_again_from_all_auxiliary_images(monkeypatch: pytest.MonkeyPatch) -> None:
    real, sizes = many.train_many, []

    def counting(jobs, *args, **kwargs):
        sizes.append([len(job.labels) for job in jobs])
        return real(jobs, *args, **kwargs)

    monkeypatch.setattr(many, "train_many", counting)
    # With rivals that always answer 0 the network wins.
    rivals_that_always_answer_0(monkeypatch)
    world = make_world(window=4)
    _guess(world, "classifier[epochs=4,doublings=0]", "class")
    count = len(world.auxiliary)
    assert sizes == [[count - count // 5], [count]]


def test_a_network_that_wins_while_its_loss_falls_is_trained_for_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rivals_that_always_answer_0(monkeypatch)
    world = make_world(window=4)
    _guess(world, "classifier[epochs=5,doublings=2]", "class")
    assert len(world.log["loss-class"]) in {10, 20}
    scores = world.log["validation-class"]
    assert scores[-1] > scores[2]
    assert sorted(scores[2:]) == scores[2:]
    world = make_world(window=4)
    _guess(world, "classifier[epochs=5,doublings=0]", "class")
    assert len(world.log["loss-class"]) == 5
    assert world.log["stopped-class"] == [0]


def test_the_histogram_of_a_shuffled_image_is_read() -> None:
    """A network sees an order that says nothing; sorted values are what a shuffle keeps."""
    world = make_world(window=16)
    guess = _guess(world, "classifier[epochs=10]", "class")
    linear, kernel, network = world.log["validation-class"]
    assert kernel > max(linear, network) + 0.1
    assert float((guess[:, 0] == world.shown.labels).double().mean()) > 0.3


def test_classifier_reads_attributes_in_the_order_asked() -> None:
    world = make_world(window=2)
    guess = _guess(world, "classifier[epochs=10]", "low", "odd")
    right = (guess == world.shown.attributes[:, [1, 0]]).double().mean(0)
    assert float(right.min()) > 0.8


def test_classifier_is_at_chance_on_noise() -> None:
    right = []
    for seed in range(3):
        world = make_world(leaky=False, seed=seed)
        guess = _guess(world, "classifier", "class")
        right.append(float((guess[:, 0] == world.shown.labels).double().mean()))
    # 300 answers at 0.1: three standard errors are 0.052.
    assert abs(sum(right) / 3 - 0.1) < 0.052


def test_an_attribute_with_one_value_is_answered() -> None:
    world = make_world()
    world.auxiliary.attributes[:, 0] = 1
    assert _guess(world, "classifier", "odd").unique().tolist() == [1]


@pytest.mark.parametrize("name", ["blind", "classifier"])
def test_unknown_attributes_are_refused(name: str) -> None:
    world = make_world()
    with pytest.raises(UserError, match="has no attributes beard"):
        _guess(world, name, "odd", "beard")


def test_too_little_auxiliary_data_is_refused() -> None:
    world = make_world()
    world = replace(world, auxiliary=world.auxiliary[:9])
    with pytest.raises(UserError, match="at least 10 auxiliary images"):
        _guess(world, "classifier", "class")


def test_a_diverged_network_is_trained_again_more_gently(monkeypatch: pytest.MonkeyPatch) -> None:
    real, rates = many.train_many, []

    def diverges_once(jobs, *args, **kwargs):
        rates.append(jobs[0].config.lr)
        if len(rates) == 1:
            raise TrainingDiverged("the loss is NaN")
        return real(jobs, *args, **kwargs)

    monkeypatch.setattr(many, "train_many", diverges_once)
    world = make_world(window=2)
    guess = _guess(world, "classifier[epochs=10]", "class")
    assert rates[1] == rates[0] / 10
    assert float((guess[:, 0] == world.shown.labels).double().mean()) > 0.5
