"""What is released as updates of clients: by the controls, by fedavg, and by defenses that return nonsense."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest
import torch
from federated import deployed, mnist, model_of, sent

from privbench.core import registry
from privbench.core.defense import FederatedDefense
from privbench.core.errors import UserError
from privbench.core.images import LabelledImages
from privbench.core.threat import why_not
from privbench.games.membership import MembershipAttack
from privbench.training.client_updates import clients_at_once
from privbench.training.modules import build_module

DATA = mnist()[:6]
PARAMETERS = 52_266


@pytest.fixture(scope="module")
def weights():
    return build_module(model_of("cnn"), (1, 28, 28), 10, 0).state_dict()


class Sender(FederatedDefense):
    """Sends what a test says."""

    registry_name: ClassVar[str] = "sender"
    makes: ClassVar[Callable[[torch.Tensor, list[int]], object]]

    def fit(self, private, public, trainer):
        raise NotImplementedError

    def client_update(self, module, task, images, labels, seeds):
        return type(self).makes(images, seeds)


def sender(makes):
    """A defense whose clients send what ``makes`` returns."""
    Sender.makes = staticmethod(makes)
    return Sender()


def test_none_sends_the_plain_gradient(weights):
    deployment = deployed("none", weights)
    made = sent(deployment, DATA)
    assert made.dtype == torch.float32
    assert made.shape == (6, PARAMETERS)
    for row, image, label in zip(made, DATA.images, DATA.labels, strict=True):
        loss = torch.nn.functional.cross_entropy(deployment.module(image[None]), label[None])
        slopes = torch.autograd.grad(loss, list(deployment.module.parameters()))
        torch.testing.assert_close(row, -torch.cat([s.flatten() for s in slopes]), rtol=1e-4, atol=1e-5)


def test_the_gradient_of_a_sure_model_keeps_its_direction(weights):
    # float32 rounds 1 - p to zero here, and with it the true class's part of the gradient.
    sure = {n: v.clone() for n, v in weights.items()}
    sure["head.bias"][3] += 25.0
    threes = LabelledImages(DATA.images, torch.full((6,), 3))
    deployment = deployed("none", sure)
    bias = sent(deployment, threes)[:, -10:].double()
    assert bias[:, 3].gt(0).all()
    torch.testing.assert_close(bias.sum(1) / bias[:, 3], torch.zeros(6).double(), rtol=0, atol=1e-5)
    assert next(deployment.module.parameters()).dtype == torch.float32


def test_blackout_sends_noise_that_does_not_depend_on_the_images(weights):
    deployment = deployed("blackout", weights)
    made = sent(deployment, DATA)
    others = LabelledImages(1 - DATA.images, DATA.labels.flip(0))
    assert torch.equal(made, sent(deployment, others))
    assert made.shape == (6, PARAMETERS)
    torch.testing.assert_close(made.norm(dim=1), torch.ones(6), rtol=0, atol=0.05)
    assert torch.corrcoef(made).fill_diagonal_(0).abs().max() < 0.05


@pytest.mark.parametrize("name", ["none", "blackout", "fedavg"])
def test_an_update_does_not_depend_on_what_is_released_with_it(weights, name):
    deployment, surface = deployed(name, weights), registry.create("surface", "updates")
    whole = surface.released(deployment, DATA, torch.arange(6))
    some = surface.released(deployment, DATA, torch.tensor([4, 1]))
    torch.testing.assert_close(some, whole[[4, 1]], rtol=1e-4, atol=1e-6)
    assert not whole.requires_grad


def test_clients_are_asked_a_few_at_a_time_and_only_those_that_are_shown(weights):
    asked, data = [], mnist()[:200]

    def record(images, seeds):
        asked.append((len(images), len(seeds)))
        return torch.zeros(len(images), PARAMETERS)

    deployment = deployed(sender(record), weights)
    most = clients_at_once(deployment.module)
    registry.create("surface", "updates").released(deployment, data, torch.arange(0, 200, 2))
    assert sum(count for count, _ in asked) == 100
    assert all(count == seeds <= most for count, seeds in asked)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda images, seeds: torch.zeros(len(images), 7), r"'sender'.* \(6, 7\); expected .*\[6, 52266\]"),
        (lambda images, seeds: torch.zeros(PARAMETERS), r"\(52266,\); expected"),
        (lambda images, seeds: None, "a NoneType; expected"),
        (lambda images, seeds: torch.full((6, PARAMETERS), torch.nan), "NaN or infinite values"),
    ],
    ids=["width", "rows", "type", "values"],
)
def test_nonsense_is_refused_in_a_sentence(weights, returned, words):
    with pytest.raises(UserError, match=words):
        sent(deployed(sender(returned), weights), DATA)


def test_clients_have_seeds_of_their_own(weights):
    seen = []

    def record(images, seeds):
        seen.extend(seeds)
        return torch.zeros(len(images), PARAMETERS)

    sent(deployed(sender(record), weights), DATA)
    assert len(set(seen)) == 6


def test_membership_can_be_played_on_updates():
    class Watcher(MembershipAttack):
        """Sees the updates of a round."""

        registry_name: ClassVar[str] = "watcher"
        needs = frozenset({"updates", "weights"})

        def guess(self, view, challenge):
            raise NotImplementedError

    game, attack = registry.create("game", "membership"), Watcher()
    for name in ("none", "blackout", "fedavg"):
        defense = registry.create("defense", name)
        reason = why_not(
            "membership",
            game.played_on,
            attack.required_surfaces,
            attack.required_knowledge,
            defense.exposes,
            defense.reuses_key,
        )
        assert reason is None
