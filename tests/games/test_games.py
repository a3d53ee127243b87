"""The guesses that each game takes, and what the hidden attributes are."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from deployments import case_of, deployment_of, parts_of

from privbench.core.errors import NotApplicable, PrivbenchError
from privbench.core.images import LabelledImages
from privbench.core.registry import create
from privbench.games._priors import auxiliary_targets
from privbench.games.attribute import AttributeChallenge, hidden_attributes
from privbench.games.membership import MembershipChallenge
from privbench.games.reconstruction import ReconstructionChallenge

IMAGES = torch.rand(4, 1, 8, 8)
MEMBERSHIP = create("game", "membership"), MembershipChallenge(IMAGES, torch.zeros(4, dtype=torch.int64))
RECONSTRUCTION = create("game", "reconstruction"), ReconstructionChallenge(4, (1, 8, 8))
ATTRIBUTE = create("game", "attribute"), AttributeChallenge(4, ("a", "b"), (2, 3))


def check(played, guess):
    game, challenge = played
    return game.check(challenge, guess)


def test_good_guesses_pass():
    assert check(MEMBERSHIP, torch.arange(4)).dtype == torch.float64
    assert check(RECONSTRUCTION, IMAGES * 3 - 1).max() <= 1
    assert check(ATTRIBUTE, torch.ones(4, 2)).dtype == torch.int64


@pytest.mark.parametrize(
    ("played", "guess", "word"),
    [
        (MEMBERSHIP, [1, 2, 3, 4], "list"),
        (MEMBERSHIP, torch.zeros(3), "shape"),
        (MEMBERSHIP, torch.tensor([1.0, float("nan"), 0, 0]), "NaN"),
        (MEMBERSHIP, torch.tensor([1.0, float("inf"), 0, 0]), "infinite"),
        (RECONSTRUCTION, torch.zeros(4, 1, 8, 7), "shape"),
        (ATTRIBUTE, torch.full((4, 2), 2), "outside"),
        (ATTRIBUTE, torch.full((4, 2), -1), "outside"),
    ],
)
def test_bad_guesses_are_refused(played, guess, word):
    with pytest.raises(PrivbenchError, match=word):
        check(played, guess)


def test_hidden_are_the_attributes_or_else_the_class():
    parts = parts_of(attributes=False)
    names, cardinalities, values = hidden_attributes(case_of(deployment_of("none"), parts), parts.private)
    assert (names, cardinalities) == (("class",), (10,))
    assert torch.equal(values[:, 0], parts.private.labels)
    parts = parts_of()
    labels, attributes = torch.tensor([0, 1, 2, 1]), torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0]])
    data = LabelledImages(IMAGES, labels, attributes=attributes)
    names, cardinalities, values = hidden_attributes(case_of(deployment_of("none"), parts), data)
    assert (names, cardinalities) == (("odd", "low"), (2, 2))
    assert torch.equal(values, attributes)


def test_membership_asks_with_the_labels_of_the_task():
    parts = parts_of()
    case = case_of(deployment_of("none", task="attributes"), parts)
    assert torch.equal(
        create("game", "membership").challenge(case, frozenset()).labels, parts.candidates.attributes
    )


@pytest.mark.parametrize("name", ["class", "odd"])
def test_an_attribute_may_be_called_class(name):
    """The adversary learns what the challenge asks for, whatever it is called."""
    data = parts_of().auxiliary
    view = SimpleNamespace(auxiliary=data, attribute_names=(name, "low"), device=torch.device("cpu"))
    assert torch.equal(auxiliary_targets(view, (name,))[:, 0], data.attributes[:, 0])
    assert torch.equal(auxiliary_targets(view, ("low", name)), data.attributes.flip(1))
    view.attribute_names = ()
    assert torch.equal(auxiliary_targets(view, ("class",))[:, 0], data.labels)


def test_without_attributes_or_classes_there_is_nothing_to_infer():
    parts = replace(parts_of(attributes=False), class_names=())
    with pytest.raises(NotApplicable, match="neither attributes nor classes"):
        hidden_attributes(case_of(deployment_of("none"), parts), parts.private)


@pytest.mark.parametrize("side", [8, 10, 11])
def test_floors_of_images_smaller_than_ssim_s_window(side):
    images = torch.rand(20, 1, side, side)
    data = LabelledImages(images, torch.arange(20) % 2)
    view = SimpleNamespace(auxiliary=data, device="cpu", seed=lambda *_: 0)
    game, challenge = create("game", "reconstruction"), ReconstructionChallenge(3, (1, side, side))
    plain, likest = (game.floor(view, challenge, aim) for aim in ("", "ssim"))
    assert plain.shape == likest.shape == (3, 1, side, side)
    assert torch.equal(plain, likest) == (side < 11)
