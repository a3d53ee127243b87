"""What every attack must keep to; a new attack is held to it with no new test code."""

from __future__ import annotations

import copy

import pytest
import torch
from fakes import World, attack_of, game_of, make_world, surface_of

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.errors import NotDeclared, SurfaceMissing, UserError
from privbench.core.surface import Surface
from privbench.core.threat import Knowledge

NAMES = registry.names("attack")
VARIANTS = [
    "attribute[strengths=2]",
    "blind[aim=ssim]",
    "gradient-inversion[steps=5]",
    "linkage[probes=60]",
    "lira[mode=offline]",
    "lira[variance=per-sample]",
    "lira[augment=true,flip=true,queries=4]",
    "rmia[mode=offline]",
    "rmia[temperature=1,queries=1]",
    "rmia[augment=true,queries=3]",
    "stacked[learner=logistic]",
    "stacked[learner=boosting,shadows=2]",
    "label-only[queries=1,rounds=1]",
    "white-box[layers=1]",
    "shadow-classifier[learner=logistic]",
    "shadow-classifier[learner=boosting]",
    "window-mean[window=4]",
    "window-mean[window=entire]",
    "restoration[adversary=chosen-inputs]",
    "restoration[aim=ssim]",
    "loss-threshold[queries=3]",
]
CHEAPER = {"classifier": "classifier[epochs=2]", "decoder": "decoder[steps=20,width=16]"}
"""What takes long at its defaults, which the engine's contract plays."""
ALL = [*(CHEAPER.get(name, name) for name in NAMES), *VARIANTS]
TARGETS = {"attribute": [("class",), ("odd", "low")]}
IDLE = {
    ("blind", "membership"),
    ("blind", "linkage"),
    ("window-mean[window=4]", "reconstruction"),
    ("window-mean[window=entire]", "reconstruction"),
}
"""Attacks that declare a public prior and make no use of it in a game."""


def rounds(made: Attack) -> list[tuple[str, tuple[str, ...]]]:
    """Every game that the attack plays, with the targets to ask for."""
    return [(game, targets) for game in sorted(made.plays) for targets in TARGETS.get(game, [()])]


def releasing(name: str) -> bool:
    return type(surface_of(name)).release is not Surface.release


def state_of(world: World) -> list[torch.Tensor]:
    held = [world.candidates, world.auxiliary]
    tensors = [t for data in held for t in vars(data).values() if t is not None]
    return copy.deepcopy([*tensors, *world.module.state_dict().values()])


@pytest.mark.parametrize("leaky", [True, False], ids=["leaky", "null"])
@pytest.mark.parametrize("selector", ALL)
def test_guess_is_valid_repeats_and_leaves_its_inputs_alone(selector: str, leaky: bool) -> None:
    made = attack_of(selector)
    guesses = []
    for _ in range(2):
        world = make_world(leaky)
        before = state_of(world)
        state = torch.random.get_rng_state()
        threads = torch.get_num_threads()
        found = []
        for game, targets in rounds(made):
            challenge = world.challenge(game, made.required_surfaces, targets)
            asked = copy.deepcopy(challenge.releases)
            view = world.view_of(made, game)
            found.append(game_of(game).check(challenge, made.guess(view, challenge)))
            for name, release in asked.items():
                assert torch.equal(release, challenge.releases[name]), "changed its challenge"
            assert all(isinstance(v, float) for curve in view.log.values() for v in curve)
        guesses.append(found)
        assert torch.equal(state, torch.random.get_rng_state()), "touched torch's global random state"
        assert torch.get_num_threads() == threads
        for old, new in zip(before, state_of(world), strict=True):
            assert torch.equal(old, new), "changed its inputs"
    for first, second in zip(*guesses, strict=True):
        assert torch.equal(first, second), "the same seed gave another guess"


@pytest.mark.parametrize("selector", ALL)
def test_asks_every_oracle_that_it_declares_and_no_other(selector: str) -> None:
    made = attack_of(selector)
    world = make_world()
    for game, targets in rounds(made):
        world.guess(made, game, targets)
    assert set(world.queries) <= made.required_surfaces
    oracles = {name for name in made.required_surfaces if surface_of(name).oracle and not releasing(name)}
    assert oracles <= set(world.queries)
    if "scores" in made.required_surfaces:
        assert world.queries["scores"] >= len(world.candidates)


@pytest.mark.parametrize("selector", ALL)
def test_a_surface_less_is_told_by_its_name(selector: str) -> None:
    made = attack_of(selector)
    for missing in sorted(made.required_surfaces):
        world = make_world()
        needs = made.required_surfaces - {missing}
        for game, targets in rounds(made):
            view = world.view(game, needs, made.required_knowledge, made.required_pairs)
            challenge = world.challenge(game, needs, targets)
            with pytest.raises((SurfaceMissing, NotDeclared), match="`needs`"):
                made.guess(view, challenge)


@pytest.mark.parametrize("selector", ALL)
@pytest.mark.parametrize("missing", [Knowledge.PUBLIC_PRIOR, Knowledge.KNOWN_PAIRS])
def test_less_knowledge_is_told_by_its_name(selector: str, missing: Knowledge) -> None:
    made = attack_of(selector)
    if missing not in made.required_knowledge:
        pytest.skip("not declared")
    for game, targets in rounds(made):
        if (selector, game) in IDLE:
            continue
        world = make_world()
        view = world.view(game, made.required_surfaces, made.required_knowledge - {missing})
        challenge = world.challenge(game, made.required_surfaces, targets)
        with pytest.raises(NotDeclared, match=f"Knowledge.{missing.name} to `knowledge`"):
            made.guess(view, challenge)


@pytest.mark.parametrize("selector", ALL)
def test_plays_games_that_show_what_it_needs(selector: str) -> None:
    made = attack_of(selector)
    assert made.plays, "plays no game"
    assert made.plays <= set(registry.known("game"))
    for name in made.plays:
        game = game_of(name)
        assert made.required_surfaces <= game.played_on | game.beside
    assert made.required_pairs == 0 or Knowledge.KNOWN_PAIRS in made.required_knowledge


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
        "attribute[strengths=0]",
        "decoder[steps=0]",
        "gradient-inversion[steps=0]",
        "linkage[probes=3]",
        "loss-threshold[queries=0]",
        "confidence[queries=many]",
        "lira[mode=sideways]",
        "lira[variance=none]",
        "lira[shadows=1]",
        "rmia[a=2]",
        "rmia[gamma=0]",
        "rmia[population=0]",
        "rmia[temperature=0]",
        "stacked[learner=svm]",
        "label-only[queries=26]",
        "white-box[layers=0]",
        "shadow-classifier[learner=svm]",
        "window-mean[window=0]",
        "window-mean[window=half]",
        "restoration[epochs=0]",
        "restoration[doublings=9]",
        "restoration[adversary=white-box]",
        "classifier[epochs=0]",
    ],
)
def test_refuses_bad_values(selector: str) -> None:
    with pytest.raises(UserError, match="is not valid"):
        registry.create("attack", selector)
