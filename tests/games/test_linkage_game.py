"""The linkage game: who is asked about, and in which order the release is shown."""

from __future__ import annotations

import torch
from deployments import case_of, deployment_of, parts_of

from privbench.core import registry
from privbench.games.linkage import LinkageChallenge

GAME = registry.create("game", "linkage")
MEMBERSHIP = registry.create("game", "membership")


def test_asks_about_the_candidates_of_membership_and_is_another_challenge() -> None:
    case = case_of(deployment_of("vim"), parts_of())
    asked, other = GAME.challenge(case, frozenset({"images"})), MEMBERSHIP.challenge(case, frozenset())
    assert isinstance(asked, LinkageChallenge)
    assert torch.equal(asked.images, other.images)
    assert torch.equal(asked.labels, other.labels)
    assert torch.equal(GAME.truth(case).members, MEMBERSHIP.truth(case).members)


def test_the_release_holds_every_member_once_and_says_nothing_by_its_order() -> None:
    parts = parts_of()
    case = case_of(deployment_of("none"), parts)
    released = case.released(frozenset({"images"}), case.order)["images"]
    private = parts.private.images
    assert len(released) == len(private)
    assert not torch.equal(released, private), "in the order of the candidates"
    places = torch.cdist(released.flatten(1), private.flatten(1)).argmin(1)
    assert torch.equal(places.sort().values, torch.arange(len(private)))


def test_members_that_are_given_away_are_not_asked_about() -> None:
    parts = parts_of()
    case = case_of(deployment_of("vim"), parts, given=10, game=GAME)
    asked, truth = GAME.challenge(case, frozenset({"images"})), GAME.truth(case)
    assert len(asked) == len(parts.members) - 10
    assert int(truth.members.sum()) == int(parts.members.sum()) - 10
    known = parts.private.images[case.given].flatten(1)
    assert float(torch.cdist(asked.images.flatten(1), known).min()) > 0


def test_is_played_on_what_is_released_only() -> None:
    assert not GAME.played_on & {"scores", "weights", "protect"}
    assert GAME.subject == MEMBERSHIP.subject
