import pytest
import torch
from privbench.core.games import (
    FeatureChallenge,
    MembershipChallenge,
    ReconstructionChallenge,
    feature_targets,
)

from privbench.core.errors import PrivbenchError
from privbench.core.images import LabelledImages

IMAGES = torch.rand(4, 1, 8, 8)
MEMBERSHIP = MembershipChallenge(IMAGES, torch.zeros(4, dtype=torch.int64))
RECONSTRUCTION = ReconstructionChallenge(IMAGES, (1, 8, 8))
FEATURE = FeatureChallenge(IMAGES, ("a", "b"), (2, 3))


def test_good_guesses_pass():
    assert MEMBERSHIP.check(torch.arange(4)).dtype == torch.float64
    assert RECONSTRUCTION.check(IMAGES * 3 - 1).max() <= 1
    assert FEATURE.check(torch.ones(4, 2)).dtype == torch.int64


@pytest.mark.parametrize(
    ("challenge", "guess", "word"),
    [
        (MEMBERSHIP, [1, 2, 3, 4], "list"),
        (MEMBERSHIP, torch.zeros(3), "shape"),
        (MEMBERSHIP, torch.tensor([1.0, float("nan"), 0, 0]), "NaN"),
        (MEMBERSHIP, torch.tensor([1.0, float("inf"), 0, 0]), "infinite"),
        (RECONSTRUCTION, torch.zeros(4, 1, 8, 7), "shape"),
        (FEATURE, torch.full((4, 2), 2), "outside"),
        (FEATURE, torch.full((4, 2), -1), "outside"),
    ],
)
def test_bad_guesses_are_refused(challenge, guess, word):
    with pytest.raises(PrivbenchError, match=word):
        challenge.check(guess)


def test_features_are_attributes_or_else_the_class():
    labels = torch.tensor([0, 1, 2, 1])
    names, cardinalities, values = feature_targets(LabelledImages(IMAGES, labels), 3, ())
    assert (names, cardinalities) == (("class",), (3,))
    assert torch.equal(values[:, 0], labels)
    attributes = torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0]])
    names, cardinalities, values = feature_targets(
        LabelledImages(IMAGES, labels, attributes=attributes), 3, ("glasses", "smiling")
    )
    assert (names, cardinalities) == (("glasses", "smiling"), (2, 2))
    assert torch.equal(values, attributes)
