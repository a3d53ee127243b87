"""Laws of federated averaging on real digits."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from federated import SHAPE, fitted, mnist, model_of, trainer

from privbench.core import registry
from privbench.core.errors import TrainingDiverged, UserError
from privbench.core.model import Model
from privbench.core.seeds import derive_seed
from privbench.defenses.fedavg import dealt
from privbench.training.modules import build_module, load_module
from privbench.training.predict import answers

CLOSE = {"rtol": 0, "atol": 1e-6}


class Dropping(Model):
    """A perceptron with dropout, which draws from the global random state."""

    registry_name: ClassVar[str] = "dropping"

    def build(self, shape, outputs):
        nn = torch.nn
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(shape[1] * shape[2], outputs))

    def feature_layers(self):
        return ("1",)


def descend(module, images, labels, lr):
    """One step of gradient descent on the mean loss, written out."""
    loss = torch.nn.functional.cross_entropy(module(images), labels)
    slopes = torch.autograd.grad(loss, list(module.parameters()))
    with torch.no_grad():
        for value, slope in zip(module.parameters(), slopes, strict=True):
            value.sub_(lr * slope)


def same_weights(weights, module, **tolerance):
    for name, value in module.state_dict().items():
        torch.testing.assert_close(weights[name], value, **tolerance)


@pytest.mark.parametrize("model", ["cnn", Dropping()], ids=["cnn", "dropout"])
def test_same_seed_same_bytes(model):
    data, threads = mnist()[:120], torch.get_num_threads()
    first = fitted("fedavg[clients=4,epochs=2,rounds=2]", data, model)
    state = torch.manual_seed(99).get_state()
    torch.set_num_threads(2)
    again = fitted("fedavg[clients=4,epochs=2,rounds=2]", data, model)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert torch.equal(state, torch.get_rng_state())
    assert again.losses == first.losses
    assert all(torch.equal(value, again.weights[name]) for name, value in first.weights.items())
    other = fitted("fedavg[clients=4,epochs=2,rounds=2]", data, model, seed=8)
    assert not all(torch.equal(value, other.weights[name]) for name, value in first.weights.items())


def test_one_client_and_one_epoch_is_centralised_sgd():
    data, seed = mnist()[:100], 3
    weights = fitted("fedavg[clients=1,epochs=1,rounds=3,batch_size=32]", data, seed=seed).weights
    module = build_module(model_of("cnn"), SHAPE, 10, seed)
    held = data[dealt(100, 1, seed)[0]]
    for number in range(3):
        generator = torch.Generator().manual_seed(derive_seed(seed, "client", number, 0))
        order = torch.randperm(100, generator=generator)
        for start in (0, 32, 64, 96):
            batch = held[order[start : start + 32]]
            descend(module, batch.images, batch.labels, 0.1)
    same_weights(weights, module, **CLOSE)


@pytest.mark.parametrize(("count", "clients"), [(60, 6), (47, 6), (7, 5)])
def test_one_full_batch_for_each_client_is_gradient_descent(count, clients):
    # Also where clients hold unequal numbers of images, if and only if they are weighted by these.
    data = mnist()[:count]
    weights = fitted(f"fedavg[clients={clients},epochs=1,rounds=4,batch_size=100]", data).weights
    module = build_module(model_of("cnn"), SHAPE, 10, 3)
    for _ in range(4):
        descend(module, data.images, data.labels, 0.1)
    same_weights(weights, module, **CLOSE)


def test_every_image_is_dealt_to_one_client():
    shares = dealt(47, 6, 0)
    assert sorted(map(len, shares)) == [7, 8, 8, 8, 8, 8]
    assert torch.equal(torch.cat(shares).sort().values, torch.arange(47))
    assert not torch.equal(torch.cat(shares), torch.arange(47))


def test_clients_may_lack_classes():
    # Two images each: no client has more than two of the ten classes.
    trained = fitted("fedavg[clients=20,epochs=3,rounds=8]", mnist()[:40])
    assert trained.losses[-1] < 0.7 * trained.losses[0]


def test_statistics_of_batch_normalisation_are_averaged():
    trained = fitted("fedavg[clients=3,epochs=1,rounds=2]", mnist()[:48], "resnet")
    counts = [value for name, value in trained.weights.items() if name.endswith("num_batches_tracked")]
    assert counts
    assert all(value.dtype == torch.int64 and int(value) == 2 for value in counts)
    means = [value for name, value in trained.weights.items() if name.endswith("running_mean")]
    assert all(value.isfinite().all() and value.any() for value in means)


def test_more_clients_than_images_are_refused():
    with pytest.raises(UserError, match=r"10 clients for 9 images\. Use fewer clients"):
        fitted("fedavg", mnist()[:9])


def test_a_loss_that_is_no_number_is_named():
    with pytest.raises(TrainingDiverged, match=r"fedavg\[lr=1e\+?30.*round 1 of 10\. Lower lr"):
        fitted("fedavg[lr=1e30]", mnist()[:40])


def test_reports_its_rounds():
    seen = []
    plain = trainer()
    heard = type(plain)(**{**vars(plain), "progress": lambda *report: seen.append(report)})
    data = mnist()[:20]
    registry.create("defense", "fedavg[rounds=3,epochs=1]").fit(data, data[:0], heard)
    assert seen == [(n, 3, "federated rounds") for n in (1, 2, 3)]


def test_a_client_of_the_observed_round_takes_plain_steps():
    data = mnist()[:3]
    defense = registry.create("defense", "fedavg[epochs=4,lr=0.2]")
    module = build_module(model_of("cnn"), SHAPE, 10, 0).eval()
    before = [value.clone() for value in module.parameters()]
    made = defense.client_update(module, trainer().task, data.images, data.labels, [0, 1, 2])
    for row, image, label in zip(made, data.images, data.labels, strict=True):
        own = build_module(model_of("cnn"), SHAPE, 10, 0)
        for _ in range(4):
            descend(own, image[None], label[None], 0.2)
        change = torch.cat([(a - b).flatten() for a, b in zip(own.parameters(), before, strict=True)])
        torch.testing.assert_close(row, change.detach(), **CLOSE)


@pytest.mark.parametrize(
    ("rounds", "train", "least"),
    [(4, 1000, 0.6), pytest.param(10, 4000, 0.92, marks=pytest.mark.slow)],
    ids=["quick", "full"],
)
def test_learns_digits(rounds, train, least):
    data = mnist()
    trained = fitted(f"fedavg[rounds={rounds}]", data[:train])
    module = load_module(model_of("cnn"), SHAPE, 10, trained.weights, "cpu")
    held = data[4000:]
    found = answers(module, held.images, trainer().task).argmax(1)
    assert float((found == held.labels).float().mean()) > least
