"""What the engine answers to an adversary: within its declaration, counted, and with no more than it knows."""

import pytest
import torch
from sessions import adversary_of, view_of

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.errors import NotDeclared, SurfaceMissing, UserError
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.core.threat import Knowledge
from privbench.games.linkage import LinkageAttack
from privbench.games.membership import MembershipAttack
from privbench.games.reconstruction import ReconstructionAttack


@register("knows-pairs")
class KnowsPairs(Attack):
    """Knows some private images with their releases."""

    games = frozenset({"membership", "linkage", "reconstruction", "attribute"})
    needs = frozenset({"images", "scores"})
    knowledge = frozenset({Knowledge.KNOWN_PAIRS})
    count: int = 7

    @property
    def required_pairs(self):
        return self.count

    def guess(self, view, challenge):
        raise NotImplementedError


@pytest.mark.parametrize("selector", ["vim[key=fixed]", "vim[key=fixed-per-window]", "vim"])
def test_shadows_answer_under_the_keys_that_they_trained_with(session, selector):
    # Under another fixed key a shadow does not even know the images that it trained on.
    adversary = adversary_of(session, selector, "lira", "membership")
    challenge, view = adversary.challenge(), view_of(adversary)
    shadows = view.shadows(LabelledImages(challenge.images, challenge.labels), 2)
    right = shadows.log_probs(challenge.images).argmax(-1) == challenge.labels
    served = view.scores(challenge.images).argmax(-1) == challenge.labels
    members = adversary.game.truth(adversary.case).members
    shadow, target = float(right[shadows.membership].float().mean()), float(served[members].float().mean())
    assert abs(shadow - target) < 0.05, (shadow, target)


@pytest.mark.parametrize("selector", ["vim[key=fixed]", "vim[key=fixed-per-window]", "vim"])
def test_an_adversary_that_does_not_know_the_key_tries_a_new_one_for_each_image(session, selector):
    view = view_of(adversary_of(session, selector, "restoration", "reconstruction"))
    same = torch.arange(784.0).div(784).view(1, 1, 28, 28).expand(6, -1, -1, -1)
    assert len(torch.unique(view.simulate(same, "epoch", 0), dim=0)) == 6
    assert torch.equal(view.simulate(same, "epoch", 0), view.simulate(same, "epoch", 0))
    assert not torch.equal(view.simulate(same, "epoch", 0), view.simulate(same, "epoch", 1))


def test_the_oracle_of_a_reused_key_answers_under_it(session):
    adversary = adversary_of(
        session, "vim[key=fixed]", "restoration[adversary=chosen-inputs]", "reconstruction"
    )
    view, private = view_of(adversary), adversary.case.parts.private
    again = view.protect(private.images[adversary.case.shown])
    assert torch.equal(again, adversary.challenge().released)
    fresh = view_of(adversary_of(session, "vim", "restoration[adversary=chosen-inputs]", "reconstruction"))
    assert not torch.equal(fresh.protect(private.images[:4]), fresh.protect(private.images[:4]))


def test_queries_are_counted_by_the_image(session):
    adversary = adversary_of(session, "vim", "loss-threshold", "membership")
    view = view_of(adversary)
    images = adversary.challenge().images
    view.scores(images[:5])
    view.scores(images[:3])
    assert adversary.queries == {"scores": 8}
    weights = adversary_of(session, "dp-sgd[noise_multiplier=1]", "gradient-inversion", "reconstruction")
    view_of(weights).weights()
    assert weights.queries == {"weights": 1}


def test_what_is_not_declared_is_refused_at_the_engines_end_too(session):
    adversary = adversary_of(session, "vim", "window-mean", "reconstruction")
    with pytest.raises(SurfaceMissing, match=r"'scores' is not declared by 'window-mean'"):
        adversary.ask("scores", {"inputs": torch.zeros(1, 1, 28, 28)})
    with pytest.raises(UserError, match="'loss-threshold' may not have 2 shadow models"):
        adversary_of(session, "vim", "loss-threshold", "membership").shadows(adversary.defender.auxiliary, 2)
    assert adversary.queries == {}


@pytest.mark.parametrize(
    ("attack", "prior", "pairs"),
    [("lira", True, False), ("loss-threshold", False, False), (KnowsPairs(), False, True)],
)
def test_a_view_is_cut_to_the_declaration(session, attack, prior, pairs):
    fields = adversary_of(session, "vim", attack, "membership").view_fields()
    assert (fields["public"] is not None, fields["pairs"] is not None) == (prior, pairs)


@pytest.mark.parametrize("game", sorted(KnowsPairs.games))
def test_known_pairs_leave_challenge_release_and_truth(session, game):
    adversary = adversary_of(session, "vim", KnowsPairs(), game)
    plain = adversary_of(session, "vim", KnowsPairs(count=0), game)
    view, case = view_of(adversary), adversary.case
    pairs, private = view.known_pairs(7), case.parts.private
    assert torch.equal(pairs.originals.images, private.images[case.given])
    challenge, truth = adversary.challenge(), adversary.game.truth(case)
    everything = plain.game.truth(plain.case)
    shown = challenge.images if game in {"membership", "linkage"} else private.images[case.shown]
    for known in pairs.originals.images:
        assert not (shown == known).flatten(1).all(1).any(), "asked about what the adversary knows"
    if game in {"membership", "linkage"}:
        assert len(challenge) == len(plain.challenge()) - 7
        assert torch.equal(truth.members, everything.members[truth.index])
        assert int(everything.members.sum() - truth.members.sum()) == 7
    else:
        assert truth.index is None
        assert len(challenge) == len(plain.challenge())
    if game != "membership":
        surface, everyone = registry.create("surface", "images"), torch.arange(len(private))
        whole = surface.released(case.deployment, private, everyone)
        assert torch.equal(pairs.releases["images"], whole[case.given])
        left = view.released["images"]
        assert len(left) == len(private) - 7
        for known in pairs.releases["images"]:
            assert not (left == known).flatten(1).all(1).any()


def test_more_pairs_than_there_are_is_told(session):
    view = view_of(adversary_of(session, "vim", KnowsPairs(), "membership"))
    assert len(view.known_pairs(3)) == 3
    with pytest.raises(NotDeclared, match=r"knows 7 pairs, not 8: set `pairs = 8`"):
        view.known_pairs(8)
    with pytest.raises(
        UserError, match=r"knows-pairs\[count=500\] knows 500 private images; .* can give away"
    ):
        adversary_of(session, "vim", KnowsPairs(count=500), "reconstruction")


def test_the_whole_release_begins_with_what_is_shown_and_says_nothing_of_the_order_of_the_data(session):
    adversary = adversary_of(session, "vim", "window-mean", "reconstruction")
    released, challenge = view_of(adversary).released["images"], adversary.challenge()
    assert torch.equal(released[: len(challenge)], challenge.released)
    private = adversary.case.parts.private
    assert len(released) == len(private)
    assert adversary.case.order.tolist() != sorted(adversary.case.order.tolist())


class WrongGame(MembershipAttack):
    registry_name = "wrong-game"

    def guess(self, view, challenge):
        return view.released


def test_membership_shows_no_release(session):
    view = view_of(adversary_of(session, "vim", WrongGame(), "membership"))
    with pytest.raises(
        NotDeclared, match="the membership game is played on labels, scores, updates, weights"
    ):
        _ = view.released


@pytest.mark.parametrize("base", [LinkageAttack, ReconstructionAttack])
def test_bases_need_the_release(base):
    assert base.needs == {"images"}
