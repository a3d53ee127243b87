"""Attribute inference: which hidden attributes did the originals have?"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import torch

from privbench.core.attack import Attack
from privbench.core.deployment import Case
from privbench.core.errors import NotApplicable, PrivbenchError
from privbench.core.game import Challenge, Game, Truth, checked, clusters_of
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.core.view import AdversaryView
from privbench.games._priors import auxiliary_targets


@dataclass(frozen=True)
class AttributeChallenge(Challenge):
    """Which hidden attributes did the originals have? The guess is int64 [N, T], a value each.

    Attributes:
        count: N.
        targets: the names of the T attributes.
        cardinalities: how many values each attribute has.
    """

    count: int
    targets: tuple[str, ...]
    cardinalities: tuple[int, ...]

    def __len__(self) -> int:
        return self.count


@register("attribute")
class AttributeInference(Game):
    """Releases of private images are shown, of which the hidden attributes are to be told.

    The class is the hidden attribute where the data has no attributes.
    """

    source = "Fredrikson, Lantz, Jha, Lin, Page, Ristenpart, Privacy in pharmacogenetics, USENIX Sec. 2014"
    subject = "attribute"
    played_on = frozenset({"images", "features", "updates", "ciphertexts"})
    beside = frozenset({"protect", "scores", "labels", "weights"})

    def challenge(self, case: Case, surfaces: frozenset[str]) -> AttributeChallenge:
        """A random part of the private images, by their releases."""
        names, cardinalities, _ = hidden_attributes(case, case.parts.private)
        releases = case.released(surfaces, case.shown)
        return AttributeChallenge(len(case.shown), names, cardinalities, releases=releases)

    def truth(self, case: Case) -> Truth:
        """The attributes."""
        shown = case.parts.private[case.shown].to("cpu")
        names, _, values = hidden_attributes(case, shown)
        return Truth(attributes=values, names=names, clusters=clusters_of(shown))

    def check(self, challenge: AttributeChallenge, guess: object) -> torch.Tensor:
        """Int64 [N, T]."""
        values = checked(guess, (len(challenge), len(challenge.targets)))
        if (values.double() != values.double().round()).any():
            raise PrivbenchError(
                "a guessed attribute is no whole number; round it, or guess the likeliest value"
            )
        bounds = torch.tensor(challenge.cardinalities)
        if (values < 0).any() or (values >= bounds).any():
            most = [count - 1 for count in challenge.cardinalities]
            raise PrivbenchError(f"a guessed attribute is outside 0..{most}")
        return values.long()

    def floor(self, view: AdversaryView, challenge: AttributeChallenge, aim: str) -> torch.Tensor:
        """The majority value in the auxiliary data."""
        majority = auxiliary_targets(view, challenge.targets).mode(dim=0).values
        return majority.expand(len(challenge), -1).clone()


def hidden_attributes(
    case: Case, data: LabelledImages
) -> tuple[tuple[str, ...], tuple[int, ...], torch.Tensor]:
    """The hidden attributes of ``data``: its attributes, or its class where it has none.

    Returns:
        their names, how many values each has, and the values as int64 [N, T].

    Raises:
        NotApplicable: there are neither attributes nor classes.
    """
    names = case.parts.attribute_names
    if data.attributes is not None and names:
        return names, (2,) * len(names), data.attributes.long()
    if len(case.parts.class_names) < 2:
        raise NotApplicable("the data have neither attributes nor classes that could be told")
    return ("class",), (len(case.parts.class_names),), data.labels[:, None].long()


class AttributeAttack(Attack):
    """Infers hidden attributes of the original images from what was released."""

    games = frozenset({"attribute"})
    needs = frozenset({"images"})

    @abstractmethod
    def guess(self, view: AdversaryView, challenge: AttributeChallenge) -> torch.Tensor:
        """Attribute values, int64 [N, T]."""
