"""What every attack must keep to; a new attack is held to it with no new test code."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from fakes import World, make_world

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.errors import SurfaceMissing, UserError
from privbench.core.games import Challenge, FeatureChallenge, MembershipChallenge, ReconstructionChallenge
from privbench.core.threat import Game, Surface
from privbench.core.view import Deployment

NAMES = registry.names("attack")
VARIANTS = [
    "blind[aim=ssim]",
    "lira[mode=offline]",
    "lira[variance=per-sample]",
    "lira[augment=true,flip=true,queries=4]",
    "rmia[mode=offline]",
    "shadow-classifier[learner=logistic]",
    "shadow-classifier[learner=boosting]",
    "window-mean[window=4]",
    "window-mean[window=entire]",
    "restoration[adversary=chosen-inputs]",
    "restoration[aim=ssim]",
    "loss-threshold[queries=3]",
]


def attack(selector: str) -> Attack:
    made = registry.create("attack", selector)
    assert isinstance(made, Attack)
    return made


def challenges(world: World, made: Attack) -> list[Challenge]:
    shape = tuple(world.released.shape[1:])
    every: dict[Game, list[Challenge]] = {
        Game.MEMBERSHIP: [MembershipChallenge(world.candidates.images, world.candidates.labels)],
        Game.RECONSTRUCTION: [ReconstructionChallenge(world.released, shape)],
        Game.FEATURE: [
            FeatureChallenge(world.released, ("class",), (10,)),
            FeatureChallenge(world.released, ("odd", "low"), (2, 2)),
        ],
    }
    return [challenge for game in sorted(made.games) for challenge in every[game]]


@pytest.mark.parametrize("leaky", [True, False], ids=["leaky", "null"])
@pytest.mark.parametrize("selector", [*NAMES, *VARIANTS])
def test_guess_is_valid_repeats_and_leaves_its_inputs_alone(selector: str, leaky: bool) -> None:
    made = attack(selector)
    guesses = []
    for _ in range(2):
        world = make_world(leaky)
        before = copy.deepcopy((world.candidates, world.released, world.view.auxiliary))
        state = torch.random.get_rng_state()
        threads = torch.get_num_threads()
        guesses.append([c.check(made.guess(world.view, c)) for c in challenges(world, made)])
        assert torch.equal(state, torch.random.get_rng_state()), "touched torch's global random state"
        assert torch.get_num_threads() == threads
        after = (world.candidates, world.released, world.view.auxiliary)
        for old, new in zip(before, after, strict=True):
            assert torch.equal(getattr(old, "images", old), getattr(new, "images", new)), "changed its inputs"
        assert all(isinstance(v, float) for curve in world.view.log.values() for v in curve)
        if Surface.SCORES in made.required_surfaces:
            assert world.view.queries["scores"] >= len(world.candidates)
        if Surface.PROTECT in made.required_surfaces:
            assert world.view.queries["protect"] > 0
    for first, second in zip(*guesses, strict=True):
        assert torch.equal(first, second), "the same seed gave another guess"


@pytest.mark.parametrize("selector", [*NAMES, *VARIANTS])
def test_needs_what_it_declares(selector: str) -> None:
    made = attack(selector)
    world = make_world()
    for surface in made.required_surfaces & {Surface.SCORES, Surface.PROTECT}:
        bare = replace(world.view, deployment=Deployment(frozenset({Surface.IMAGES})))
        for challenge in challenges(world, made):
            with pytest.raises(SurfaceMissing, match=surface):
                made.guess(bare, challenge)


@pytest.mark.parametrize("selector", [*NAMES, *VARIANTS])
def test_asks_for_no_more_than_it_declares(selector: str) -> None:
    made = attack(selector)
    world = make_world()
    deployment = world.view.deployment
    allowed = Deployment(
        made.required_surfaces,
        scores=deployment.scores if Surface.SCORES in made.required_surfaces else None,
        protect=deployment.protect if Surface.PROTECT in made.required_surfaces else None,
    )
    view = replace(world.view, deployment=allowed)
    for challenge in challenges(world, made):
        made.guess(view, challenge)
    assert set(view.queries) <= {str(surface) for surface in made.required_surfaces}


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name: str) -> None:
    cls = registry.find("attack", name)
    assert cls.source, "no source"
    assert cls.__doc__, "no docstring"
    for field_name, field in cls.model_fields.items():
        assert field.description, f"{field_name} has no description"
    assert cls.create({}).selector == name


@pytest.mark.parametrize("name", NAMES)
def test_refuses_unknown_parameters(name: str) -> None:
    with pytest.raises(UserError, match="no_such_parameter"):
        registry.create("attack", f"{name}[no_such_parameter=1]")


@pytest.mark.parametrize(
    "selector",
    [
        "loss-threshold[queries=0]",
        "confidence[queries=many]",
        "lira[mode=sideways]",
        "lira[variance=none]",
        "lira[shadows=1]",
        "rmia[a=2]",
        "rmia[gamma=0]",
        "rmia[population=0]",
        "shadow-classifier[learner=svm]",
        "window-mean[window=0]",
        "window-mean[window=half]",
        "restoration[epochs=0]",
        "restoration[adversary=white-box]",
        "classifier[epochs=0]",
    ],
)
def test_refuses_bad_values(selector: str) -> None:
    with pytest.raises(UserError, match="is not valid"):
        registry.create("attack", selector)
