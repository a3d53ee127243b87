"""What every game must keep; a new file in the catalogue is covered without a new test."""

import pytest
import torch
from deployments import SHOWN, case_of, deployment_of, parts_of

from privbench.attacks.blind import Blind
from privbench.core import registry
from privbench.core.controls import FLOOR, is_floor
from privbench.core.errors import NotDeclared, PrivbenchError, SurfaceMissing
from privbench.core.metric import ScoringContext
from privbench.core.threat import Knowledge
from privbench.core.training import TrainingConfig
from privbench.core.view import AdversaryView
from privbench.engine.scoring import metrics_of, score

NAMES = registry.names("game")
SURFACES = registry.names("surface")
ABOUT_CANDIDATES = {"membership", "linkage"}


def game(name):
    return registry.create("game", name)


def case_for(name, given=0, attributes=True, defense="vim"):
    return case_of(deployment_of(defense), parts_of(attributes=attributes), given, game(name))


def asked(name, case):
    shown = game(name).played_on & {"images"}
    return game(name).challenge(case, frozenset(shown))


def view_for(name, case, public=True):
    deployment, parts = case.deployment, case.parts
    return AdversaryView(
        defense=deployment.defense,
        game=game(name),
        task=deployment.task,
        model=deployment.model,
        config=TrainingConfig(),
        outputs=deployment.outputs,
        shape=deployment.shape,
        attribute_names=parts.attribute_names,
        scale="smoke",
        device=deployment.device,
        root_seed=0,
        needs=frozenset(),
        knowledge=frozenset({Knowledge.PUBLIC_PRIOR} if public else {}),
        port=None,
        public=parts.auxiliary if public else None,
    )


def truths(truth):
    found = {"members": truth.members, "attributes": truth.attributes, **truth.other}
    found["originals"] = None if truth.originals is None else truth.originals.images
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name):
    cls = registry.find("game", name)
    assert cls.source
    assert cls.__doc__
    assert cls.subject
    assert cls.played_on
    assert cls.played_on | cls.beside <= set(SURFACES) | {"ciphertexts"}
    assert not cls.played_on & cls.beside


@pytest.mark.parametrize("name", NAMES)
def test_its_subject_has_metrics_one_of_them_the_headline_and_one_that_rates(name):
    metrics = metrics_of(game(name).subject, 10)
    assert len([metric for metric in metrics if metric.headline]) == 1
    assert any(metric.rates for metric in metrics)


@pytest.mark.parametrize("name", NAMES)
def test_its_floors_are_attacks_that_play_it(name):
    floors = game(name).floors
    assert floors
    for selector in floors:
        floor = registry.create("attack", selector)
        assert is_floor(selector)
        assert isinstance(floor, Blind)
        assert name in floor.plays
        assert floor.required_surfaces == frozenset()
    assert FLOOR in floors


@pytest.mark.parametrize("given", [0, 9])
@pytest.mark.parametrize("name", NAMES)
def test_challenge_and_truth_are_about_the_same_samples(name, given):
    case = case_for(name, given)
    challenge, truth = asked(name, case), game(name).truth(case)
    assert truths(truth)
    assert {len(value) for value in truths(truth).values()} == {len(challenge)}
    assert all(len(release) == len(challenge) for release in challenge.releases.values())
    assert truth.clusters is not None
    assert len(truth.clusters) == len(challenge)
    assert truth.index is None or len(truth.index) == len(challenge)


@pytest.mark.parametrize("name", NAMES)
def test_a_challenge_holds_no_truth(name):
    case = case_for(name)
    challenge = asked(name, case)
    held = [v for v in vars(challenge).values() if isinstance(v, torch.Tensor)]
    held += list(challenge.releases.values())
    for secret in truths(game(name).truth(case)).values():
        assert not any(t.shape == secret.shape and torch.equal(t.double(), secret.double()) for t in held)


@pytest.mark.parametrize("name", NAMES)
def test_all_defenses_are_asked_about_the_same_samples(name):
    first, second = (game(name).truth(case_for(name, defense=d)) for d in ("vim", "blackout"))
    for key, value in truths(first).items():
        assert torch.equal(value, truths(second)[key])


@pytest.mark.parametrize("name", NAMES)
def test_known_pairs_leave_the_challenge(name):
    whole, part = case_for(name), case_for(name, 9)
    assert len(part.given) == 9
    assert len(part.given.unique()) == 9
    known = part.parts.private[part.given].images
    truth = game(name).truth(part)
    everything = game(name).truth(whole)
    if name in ABOUT_CANDIDATES:
        assert len(asked(name, part)) == len(asked(name, whole)) - 9
        assert int(everything.members.sum() - truth.members.sum()) == 9, "a known image is a member"
        shown = asked(name, part).images
        assert torch.equal(shown, part.parts.candidates[truth.index].images)
    else:
        assert len(asked(name, part)) == SHOWN
        assert truth.index is None
        shown = part.parts.private[part.shown].images
    for each in known:
        assert not (shown == each).flatten(1).all(1).any()
    if truth.index is not None:
        for key, value in truths(truth).items():
            assert torch.equal(value, truths(everything)[key][truth.index])
        assert torch.equal(truth.clusters, everything.clusters[truth.index])


@pytest.mark.parametrize("name", NAMES)
def test_there_is_a_pool_of_pairs_outside_of_what_is_shown(name):
    case = case_for(name)
    pool = game(name).pool(case)
    assert len(pool.unique()) == len(pool) > 0
    if name not in ABOUT_CANDIDATES:
        assert not torch.isin(pool, case.shown).any()


@pytest.mark.parametrize("aim", ["mse", "ssim"])
@pytest.mark.parametrize("attributes", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_the_floor_is_a_valid_guess_that_looks_at_no_release(name, attributes, aim):
    case = case_for(name, attributes=attributes)
    challenge, view = game(name).challenge(case, frozenset()), view_for(name, case)
    guess = game(name).check(challenge, game(name).floor(view, challenge, aim))
    assert len(guess) == len(challenge)
    assert (guess == guess[:1]).all(), "one answer for all"
    again = game(name).floor(view, challenge, aim)
    assert torch.equal(guess, game(name).check(challenge, again))


@pytest.mark.parametrize("name", NAMES)
def test_the_truth_is_a_valid_guess_that_beats_the_floor(name):
    case = case_for(name)
    challenge, truth = asked(name, case), game(name).truth(case)
    best = game(name).check(challenge, next(iter(truths(truth).values())).float())
    floor = game(name).check(challenge, game(name).floor(view_for(name, case), challenge, "mse"))
    metrics = [m for m in metrics_of(game(name).subject, 10) if m.headline]
    context = ScoringContext(torch.device("cpu"))
    top, bottom = (score(metrics, truth, each, context)[0] for each in (best, floor))
    [headline] = [metric.selector for metric in metrics]
    assert top[headline].value == pytest.approx(1)
    assert bottom[headline].high < 1


@pytest.mark.parametrize("wrong", ["list", "none", "short", "nan", "infinite", "complex", "flat"])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_guess_is_refused(name, wrong):
    case = case_for(name)
    challenge = asked(name, case)
    good = game(name).floor(view_for(name, case), challenge, "mse")
    bad = {
        "list": good.tolist(),
        "none": None,
        "short": good[1:],
        "nan": good.double() * float("nan"),
        "infinite": good.double() + float("inf"),
        "complex": good.to(torch.complex64),
        "flat": good[..., None],
    }[wrong]
    with pytest.raises(PrivbenchError, match=r"expected|finite"):
        game(name).check(challenge, bad)


@pytest.mark.parametrize("name", NAMES)
def test_a_guess_may_have_gradients_and_another_type(name):
    case = case_for(name)
    challenge = asked(name, case)
    good = game(name).floor(view_for(name, case), challenge, "mse")
    checked = game(name).check(challenge, good.double().requires_grad_())
    assert not checked.requires_grad
    assert torch.equal(checked, game(name).check(challenge, good))


@pytest.mark.parametrize("name", sorted(set(NAMES) - ABOUT_CANDIDATES))
def test_the_release_is_there_for_those_who_declare_it(name):
    case = case_for(name)
    challenge = game(name).challenge(case, frozenset({"images"}))
    assert torch.equal(challenge.released, challenge.releases["images"])
    blind = game(name).challenge(case, frozenset())
    with pytest.raises(SurfaceMissing, match="add the surface that it reads to `needs`"):
        _ = blind.released
    with pytest.raises(SurfaceMissing, match=r"needs = \{\"features\"\}"):
        _ = challenge.releases["features"]


def test_two_releases_are_told_apart():
    case = case_for("reconstruction", defense="none")
    challenge = game("reconstruction").challenge(case, frozenset({"images", "updates"}))
    assert set(challenge.releases) == {"images", "updates"}
    with pytest.raises(PrivbenchError, match=r"several surfaces are released \(images, updates\)"):
        _ = challenge.released


@pytest.mark.parametrize("name", ["attribute", "reconstruction"])
def test_a_floor_that_needs_a_prior_says_so(name):
    case = case_for(name)
    with pytest.raises(NotDeclared, match=r"Knowledge\.PUBLIC_PRIOR"):
        game(name).floor(view_for(name, case, public=False), asked(name, case), "mse")
