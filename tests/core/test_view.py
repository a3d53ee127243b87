"""A view holds what an attack declared; what it did not is absent, with the declaration to add."""

import copy
import pickle

import pytest
import torch

from privbench.core import registry
from privbench.core.errors import NotDeclared, PrivbenchError, SurfaceMissing
from privbench.core.images import LabelledImages
from privbench.core.releases import Releases
from privbench.core.threat import Knowledge
from privbench.core.training import TrainingConfig
from privbench.core.view import AdversaryView, KnownPairs

DATA = LabelledImages(torch.rand(6, 1, 16, 16), torch.arange(6))
PAIRS = KnownPairs(DATA[:3], Releases(images=torch.rand(3, 1, 16, 16)))


class RecordingPort:
    """Keeps what it is asked."""

    def __init__(self):
        self.asked = []

    def ask(self, surface, inputs):
        self.asked.append((surface, inputs))
        return {"answer": inputs["inputs"] + 1}

    def released(self):
        return {"images": torch.arange(4)}

    def shadows(self, data, count):
        return ("shadows", count)

    def train(self, jobs, text):
        return [jobs, text]

    def progress(self, done, total, text):
        self.asked.append((done, total, text))


def view(defense="vim", needs=(), knowledge=(), game="reconstruction", **more):
    return AdversaryView(
        defense=registry.create("defense", defense),
        game=registry.create("game", game),
        task=registry.create("task", "classes"),
        model=registry.create("model", "cnn"),
        config=TrainingConfig(),
        outputs=10,
        shape=(1, 16, 16),
        attribute_names=(),
        scale="smoke",
        device=torch.device("cpu"),
        root_seed=3,
        needs=frozenset(needs),
        knowledge=frozenset(knowledge),
        port=more.pop("port", RecordingPort()),
        **more,
    )


def test_a_declared_surface_is_an_attribute_that_asks():
    port = RecordingPort()
    seen = view(needs={"scores", "protect"}, port=port)
    images = torch.zeros(2, 1, 16, 16, requires_grad=True)
    assert (seen.scores(images) == 1).all()
    assert (seen.protect(images) == 1).all()
    assert [surface for surface, _ in port.asked] == ["scores", "protect"]
    assert not any(inputs["inputs"].requires_grad for _, inputs in port.asked)


def test_an_undeclared_surface_is_refused_with_the_words_to_add():
    for needs in ((), ("protect",)):
        with pytest.raises(
            SurfaceMissing, match=r'declare the surface \'scores\': add it to `needs`.*{"scores"}'
        ):
            _ = view(needs=needs).scores
    assert not view().port.asked


def test_a_surface_that_the_defense_has_not_is_told_from_one_that_is_not_declared():
    with pytest.raises(SurfaceMissing, match=r"'vim' does not expose the surface 'features'"):
        _ = view().features


def test_other_attributes_are_unknown():
    for name in ("score", "_private", "__deepcopy__", "truth", "deployment"):
        with pytest.raises(AttributeError, match=name):
            getattr(view(needs={"scores"}), name)
    assert not hasattr(view(), "members")


@pytest.mark.parametrize(
    ("use", "knowledge"),
    [
        (lambda v: v.auxiliary, "PUBLIC_PRIOR"),
        (lambda v: v.simulate(DATA.images), "PUBLIC_PRIOR"),
        (lambda v: v.shadows(DATA, 2), "PUBLIC_PRIOR"),
        (lambda v: v.known_pairs(1), "KNOWN_PAIRS"),
    ],
)
def test_knowledge_that_is_not_declared_is_refused_with_the_words_to_add(use, knowledge):
    # Also where the engine were to hand it over by mistake.
    for more in ({}, {"public": DATA, "pairs": PAIRS}):
        with pytest.raises(NotDeclared, match=rf"add Knowledge\.{knowledge} to `knowledge`"):
            use(view(**more))
    declared = view(knowledge={Knowledge[knowledge]}, public=DATA, pairs=PAIRS)
    assert use(declared) is not None


def test_what_is_declared_is_there():
    seen = view(knowledge={Knowledge.PUBLIC_PRIOR, Knowledge.KNOWN_PAIRS}, public=DATA, pairs=PAIRS)
    assert seen.auxiliary is DATA
    assert seen.shadows(DATA, 2) == ("shadows", 2)
    few = seen.known_pairs(2)
    assert len(few) == 2
    assert torch.equal(few.originals.images, DATA.images[:2])
    assert torch.equal(few.releases["images"], PAIRS.releases["images"][:2])
    with pytest.raises(SurfaceMissing, match="'features'"):
        _ = few.releases["features"]
    with pytest.raises(NotDeclared, match=r"knows 3 pairs, not 4: set `pairs = 4`"):
        seen.known_pairs(4)


def test_simulation_is_by_keys_of_its_own_that_its_axes_name():
    seen = view(knowledge={Knowledge.PUBLIC_PRIOR})
    first = seen.simulate(DATA.images, "epoch", 1)
    assert torch.equal(first, seen.simulate(DATA.images, "epoch", 1))
    assert not torch.equal(first, seen.simulate(DATA.images, "epoch", 2))
    other = view(knowledge={Knowledge.PUBLIC_PRIOR})
    other.root_seed = 4
    assert not torch.equal(first, other.simulate(DATA.images, "epoch", 1))
    with pytest.raises(PrivbenchError, match="'dp-sgd' protects no images"):
        view("dp-sgd", knowledge={Knowledge.PUBLIC_PRIOR}).simulate(DATA.images)


def test_seeds_are_named():
    seen = view()
    assert seen.seed("a") == seen.seed("a")
    assert len({seen.seed("a"), seen.seed("b"), seen.seed("a", 1), seen.root_seed}) == 4


def test_the_release_is_asked_for_once_and_names_what_is_not_seen():
    port = RecordingPort()
    seen = view(needs={"images"}, port=port)
    first = seen.released
    port.released = dict
    assert seen.released is first
    with pytest.raises(SurfaceMissing, match=r"'features' released; it sees: images\. Add it to `needs`"):
        _ = first["features"]
    with pytest.raises(NotDeclared, match=r"the reconstruction game is played on .*images.*`needs`"):
        _ = view(port=port).released


def test_jobs_and_progress_go_out():
    port = RecordingPort()
    seen = view(port=port)
    assert seen.train(("a", "b"), "two") == [["a", "b"], "two"]
    seen.progress(1, 2, "half")
    assert port.asked == [(1, 2, "half")]
    assert seen.classes == 10


def test_the_weights_are_opened_where_the_attack_is():
    module = registry.create("model", "cnn").build((1, 16, 16), 10)
    port = RecordingPort()
    port.ask = lambda surface, inputs: dict(module.state_dict())
    copied = view("dp-sgd", needs={"weights"}, port=port).weights()
    assert not copied.training
    assert copied is not module
    for name, value in module.state_dict().items():
        assert torch.equal(copied.state_dict()[name], value)


def test_releases_survive_copies_and_processes():
    releases = Releases(images=torch.ones(2))
    for again in (copy.deepcopy(releases), pickle.loads(pickle.dumps(releases))):
        assert type(again) is Releases
        assert torch.equal(again["images"], releases["images"])
        with pytest.raises(SurfaceMissing):
            _ = again["updates"]
    assert releases.get("updates") is None
    assert "updates" not in releases
