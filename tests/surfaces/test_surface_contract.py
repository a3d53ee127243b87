"""What every surface must keep; a new file in the catalogue is covered without a new test."""

import pytest
import torch
from deployments import deployment_of, digits

from privbench.core import registry
from privbench.core.defense import Defense, EncoderDefense, FederatedDefense, ImageDefense
from privbench.core.errors import PrivbenchError, UserError
from privbench.core.images import LabelledImages
from privbench.core.surface import Surface, implied
from privbench.core.threat import Knowledge

NAMES = registry.names("surface")
EXPOSED = {"images": "vim", "features": "plain-encoder", "updates": "fedavg"}
"""A defense that releases something on each surface that releases."""


def surface(name) -> Surface:
    return registry.create("surface", name)


def releases(name) -> bool:
    return type(surface(name)).release is not Surface.release


RELEASING = [name for name in NAMES if releases(name)]
ASKED = [name for name in NAMES if surface(name).oracle]
INDEX = torch.tensor([7, 3, 19, 0])


def defense_for(name) -> str:
    if name in EXPOSED:
        return EXPOSED[name]
    found = (d for d in registry.names("defense") if name in registry.create("defense", d).exposes)
    return next(d for d in found if not registry.create("defense", d).control)


def ask(name, deployment, images, query=1):
    return surface(name).answer(deployment, {"inputs": images}, query)


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_is(name):
    cls = registry.find("surface", name)
    assert cls.source
    assert cls.__doc__
    assert cls.oracle or releases(name), "nobody sees anything of it"
    assert registry.PACKAGES["surface"] in cls.__module__
    import privbench.core.defense as bases

    assert all(callable(getattr(getattr(bases, cls.base), method)) for method in cls.asks)


def test_what_an_adversary_sees_says_what_it_knows():
    assert implied({"weights", "updates"}) == {Knowledge.WHITE_BOX}
    assert implied({"protect", "images"}) == {Knowledge.CHOSEN_INPUTS}
    assert implied(()) == frozenset()


@pytest.mark.parametrize("name", NAMES)
def test_some_defense_exposes_it(name):
    exposing = [d for d in registry.names("defense") if name in registry.create("defense", d).exposes]
    assert set(exposing) - {"none", "blackout"}, "no attack on it will ever be of use"


@pytest.mark.parametrize("name", RELEASING)
def test_releases_a_row_for_each_image_in_the_order_asked(name):
    data, deployment = digits(40), deployment_of(defense_for(name))
    whole = surface(name).released(deployment, data, torch.arange(40))
    part = surface(name).released(deployment, data, INDEX)
    assert whole.dtype == torch.float32
    assert len(whole) == 40
    torch.testing.assert_close(part, whole[INDEX], rtol=1e-4, atol=1e-5)
    assert not part.requires_grad
    assert torch.equal(data.images, digits(40).images), "changed the data"


@pytest.mark.parametrize("control", ["none", "blackout"])
@pytest.mark.parametrize("name", RELEASING)
def test_controls_release_rows_of_the_same_form(name, control):
    data, deployment = digits(40), deployment_of(control)
    whole = surface(name).released(deployment, data, torch.arange(40))
    plain = surface(name).released(deployment_of("none"), data, torch.arange(40))
    assert whole.shape == plain.shape
    torch.testing.assert_close(
        surface(name).released(deployment, data, INDEX), whole[INDEX], rtol=1e-4, atol=1e-5
    )
    assert torch.isfinite(whole).all()
    assert len(whole.unique(dim=0)) == 40


@pytest.mark.parametrize("name", RELEASING)
def test_blackout_releases_nothing_of_the_data(name):
    data, deployment = digits(40), deployment_of("blackout")
    other = LabelledImages(1 - data.images, 9 - data.labels, data.identities, 1 - data.attributes)
    index = torch.arange(40)
    first = surface(name).released(deployment, data, index)
    assert torch.equal(first, surface(name).released(deployment, other, index))
    assert not torch.equal(first, surface(name).released(deployment_of("blackout", keys_seed=6), data, index))


@pytest.mark.parametrize("name", RELEASING)
def test_none_releases_what_tells_images_apart(name):
    # Every release is another function of the data: the same where the images are the same.
    data, deployment, index = digits(40), deployment_of("none"), torch.arange(40)
    first = surface(name).released(deployment, data, index)
    assert torch.equal(first, surface(name).released(deployment_of("none", keys_seed=6), data, index))
    changed = LabelledImages(data.images.flip(0), data.labels.flip(0))
    torch.testing.assert_close(surface(name).released(deployment, changed, index), first.flip(0))


@pytest.mark.parametrize("name", RELEASING)
def test_no_images_give_no_rows(name):
    empty = torch.arange(0)
    for defense in (defense_for(name), "none", "blackout"):
        assert len(surface(name).released(deployment_of(defense), digits(40), empty)) == 0


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(RELEASING)))
def test_an_oracle_alone_releases_nothing(name):
    with pytest.raises(PrivbenchError, match=f"{name!r} releases nothing for single images"):
        surface(name).release(deployment_of(defense_for(name)), digits(4), INDEX[:1])


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(ASKED)))
def test_what_is_no_oracle_answers_nothing(name):
    with pytest.raises(PrivbenchError, match=f"{name!r} is no oracle"):
        ask(name, deployment_of(defense_for(name)), digits(4).images)


@pytest.mark.parametrize("name", ASKED)
def test_an_oracle_answers_and_counts(name):
    images = digits(6).images
    before = images.clone()
    for defense in (defense_for(name), "none", "blackout"):
        answer = ask(name, deployment_of(defense), images)
        again = ask(name, deployment_of(defense), images)
        assert answer.keys() == again.keys()
        assert all(torch.equal(value, again[key]) for key, value in answer.items())
        assert all(torch.isfinite(value).all() for value in answer.values())
        assert not any(value.requires_grad for value in answer.values())
        if name == "weights":
            assert surface(name).cost({}) == 1
        else:
            assert len(answer["answer"]) == 6
            assert surface(name).cost({"inputs": images}) == 6
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", [name for name in ASKED if name in RELEASING])
def test_what_releases_and_answers_does_both_in_one_form(name):
    data = digits(6)
    for defense in (defense_for(name), "none", "blackout"):
        deployment = deployment_of(defense)
        released = surface(name).released(deployment, data, torch.arange(6))
        assert ask(name, deployment, data.images)["answer"].shape == released.shape


def test_queries_of_a_random_defense_differ_and_those_under_a_reused_key_do_not():
    images = digits(6).images
    fresh, fixed = deployment_of("vim"), deployment_of("vim[key=fixed]")
    for name in ("protect", "scores"):
        answers = [ask(name, fresh, images, query)["answer"] for query in (1, 2)]
        assert not torch.equal(*answers)
        assert torch.equal(ask(name, fixed, images, 1)["answer"], ask(name, fixed, images, 2)["answer"])


def test_the_protection_oracle_of_a_control_is_the_image_or_noise():
    images = digits(6).images
    assert torch.equal(ask("protect", deployment_of("none"), images)["answer"], images)
    noise = ask("protect", deployment_of("blackout"), images)["answer"]
    assert torch.equal(noise, ask("protect", deployment_of("blackout"), 1 - images)["answer"])


def test_weights_are_those_of_the_service():
    deployment = deployment_of("dp-sgd")
    answer = surface("weights").answer(deployment, {}, 1)
    state = deployment.module.state_dict()
    assert answer.keys() == state.keys()
    assert all(torch.equal(answer[name], state[name]) for name in state)
    with torch.no_grad():
        next(iter(deployment.module.parameters())).add_(1)
    assert not all(
        torch.equal(answer[name], value) for name, value in deployment.module.state_dict().items()
    ), "the answer is the service's own memory"


@pytest.mark.parametrize("name", NAMES)
def test_a_defense_without_its_methods_is_told_so(name):
    found, bare = surface(name), registry.create("defense", "dp-sgd")
    told = found.lacking(bare)
    if not found.asks:
        assert told is None
        return
    for part in (bare.selector, name, *found.asks, found.base):
        assert part in told
    assert found.lacking(registry.create("defense", defense_for(name))) is None
    assert found.lacking(registry.create("defense", "none")) is None


class Encoder(EncoderDefense):
    registry_name = "encodes-wrongly"
    how: str = "rows"

    def encode(self, model, module, images, keys):
        features = images.flatten(1)
        return {
            "rows": features[1:], "double": features.double(), "map": images, "nan": features / 0,
        }[self.how]  # fmt: skip


class Federated(FederatedDefense):
    registry_name = "sends-wrongly"
    how: str = "rows"

    def fit(self, private, public, trainer):
        raise NotImplementedError

    def client_update(self, module, task, images, labels, seeds):
        width = sum(p.numel() for p in module.parameters())
        sent = torch.zeros(len(images), width)
        return {"rows": sent[1:], "width": sent[:, 1:], "flat": sent[0], "nan": sent / 0}[self.how]


@pytest.mark.parametrize("how", ["rows", "double", "map", "nan"])
def test_features_that_are_none_are_refused(how):
    with pytest.raises(PrivbenchError, match=r"encodes-wrongly"):
        surface("features").released(deployment_of(Encoder(how=how)), digits(6), torch.arange(6))


@pytest.mark.parametrize("how", ["rows", "width", "flat", "nan"])
def test_updates_that_are_none_are_refused(how):
    with pytest.raises(PrivbenchError, match=r"sends-wrongly"):
        surface("updates").released(deployment_of(Federated(how=how)), digits(6), torch.arange(6))


def test_images_that_are_none_are_refused():
    class Doubles(ImageDefense):
        registry_name = "doubles"

        def protect(self, images, keys):
            return images.double()

    with pytest.raises(UserError, match=r"'doubles': protect returned torch\.float64"):
        surface("images").released(deployment_of(Doubles()), digits(6), INDEX[3:])


def test_a_release_is_under_the_key_of_its_place_in_the_data():
    vim, data = registry.create("defense", "vim"), digits(40)
    whole = vim.protect(data.images, vim.keys(5, 40))
    assert torch.equal(surface("images").released(deployment_of(vim), data, INDEX), whole[INDEX])


def test_defenses_expose_known_surfaces():
    for name in registry.names("defense"):
        defense = registry.create("defense", name)
        assert isinstance(defense, Defense)
        assert defense.exposes <= set(NAMES)
        assert all(surface(each).lacking(defense) is None for each in defense.exposes)
