from __future__ import annotations

import math
import warnings

import pytest
import torch
from opacus.accountants import PRVAccountant, RDPAccountant
from scipy.optimize import brentq
from scipy.stats import norm

from privbench.core.errors import UserError
from privbench.core.training import PrivacySettings
from privbench.training.accounting import noise_for_budget, spent
from privbench.training.modules import prepare_module
from privbench.training.plan import generator_for, total_steps
from privbench.training.private import _make_private
from privbench.training.train import train

CPU = torch.device("cpu")
HUGE = 1e9


def _weights(trained):
    return torch.cat([value.flatten() for value in trained.weights.values()])


def _privacy(**changes):
    return PrivacySettings(**{"noise_multiplier": 1.0, "delta": 1e-3, **changes})


@pytest.mark.parametrize("norm", ["none", "group"])
@pytest.mark.parametrize("max_grad_norm", [0.3, HUGE])
def test_ghost_clipping_equals_hooks_without_noise(make_job, tiny, norm, max_grad_norm):
    results = [
        train(
            make_job(
                dtype=torch.float64,
                model=tiny(norm=norm),
                augment=True,
                privacy=_privacy(noise_multiplier=0.0, mode=mode, max_grad_norm=max_grad_norm),
            ),
            "cpu",
        )
        for mode in ("hooks", "ghost")
    ]
    hooks, ghost = map(_weights, results)
    assert float((hooks - ghost).abs().max()) < 1e-12
    assert results[0].losses == pytest.approx(results[1].losses)
    assert results[0].guarantee["epsilon"] == math.inf


@pytest.mark.parametrize("mode", ["hooks", "ghost"])
def test_one_step_on_all_samples_without_noise_is_plain_sgd(make_job, mode):
    common = {"dtype": torch.float64, "epochs": 1, "batch_size": 120, "schedule": "constant", "momentum": 0.0}
    plain = train(make_job(**common), "cpu")
    privacy = _privacy(noise_multiplier=0.0, max_grad_norm=HUGE, mode=mode)
    private = train(make_job(privacy=privacy, **common), "cpu")
    assert list(plain.weights) == list(private.weights)
    assert float((_weights(plain) - _weights(private)).abs().max()) < 1e-14
    assert private.losses == pytest.approx(plain.losses)


@pytest.mark.parametrize("mode", ["hooks", "ghost"])
def test_a_clipped_step_agrees_with_a_loop_over_samples(make_job, tiny, mode):
    norm, lr = 0.5, 0.1
    privacy = _privacy(noise_multiplier=0.0, max_grad_norm=norm, mode=mode)
    job = make_job(
        count=20, dtype=torch.float64, epochs=1, batch_size=20, lr=lr, momentum=0.0,
        schedule="constant", model=tiny(norm="group"), privacy=privacy,
    )  # fmt: skip
    private = train(job, "cpu")
    module = prepare_module(job, CPU)
    summed = [torch.zeros_like(p) for p in module.parameters()]
    clipped = 0
    for image, label in zip(job.images[0], job.labels, strict=True):
        module.zero_grad()
        torch.nn.functional.cross_entropy(module(image[None]), label[None]).backward()
        length = torch.cat([p.grad.flatten() for p in module.parameters()]).norm()
        # Opacus divides by the norm plus 1e-6.
        factor = min(1.0, norm / (float(length) + 1e-6))
        clipped += factor < 1
        for total, p in zip(summed, module.parameters(), strict=True):
            total.add_(p.grad, alpha=factor)
    assert clipped > 5
    for (name, p), total in zip(module.named_parameters(), summed, strict=True):
        assert torch.allclose(private.weights[name], p.detach() - lr * total / 20, rtol=1e-10, atol=1e-14)


def clipped_sum(module, images, labels, norm):
    """The sum of the gradients of a mean loss over the batch, each clipped to ``norm``; Abadi et al., algorithm 1."""
    total = [torch.zeros_like(p) for p in module.parameters()]
    for image, label in zip(images, labels, strict=True):
        module.zero_grad()
        torch.nn.functional.cross_entropy(module(image[None]), label[None]).backward()
        length = torch.cat([p.grad.flatten() for p in module.parameters()]).norm()
        for each, p in zip(total, module.parameters(), strict=True):
            each.add_(p.grad, alpha=min(1.0, norm / (float(length) + 1e-6)))
    return total


@pytest.mark.parametrize("mode", ["hooks", "ghost"])
@pytest.mark.parametrize(
    ("count", "batch_size"), [(49, 1), (98, 2), (392, 8), (130, 128), (133, 128), (105, 1), (7, 3), (50, 100)]
)
def test_an_epoch_agrees_with_a_loop_in_float64_for_odd_sizes(make_job, tiny, mode, count, batch_size):
    norm, lr = 0.5, 0.1
    job = make_job(
        count=count, dtype=torch.float64, epochs=1, batch_size=batch_size, lr=lr, momentum=0.0,
        schedule="constant", model=tiny(norm="group"),
        privacy=_privacy(noise_multiplier=0.0, max_grad_norm=norm, mode=mode),
    )  # fmt: skip
    private = train(job, "cpu")
    batches = math.ceil(count / batch_size)
    assert private.guarantee["steps"] == total_steps(job) == batches
    assert private.guarantee["sampling_rate"] == pytest.approx(1 / batches)
    module = prepare_module(job, CPU)
    drawn = torch.Generator()
    drawn.set_state(generator_for(job, "poisson").get_state())
    for _ in range(batches):
        batch = torch.rand(count, generator=drawn) < 1 / batches
        total = clipped_sum(module, job.images[0][batch], job.labels[batch], norm)
        with torch.no_grad():
            for p, step in zip(module.parameters(), total, strict=True):
                p.sub_(lr * step / (count / batches))
    for name, p in module.named_parameters():
        assert torch.allclose(private.weights[name], p.detach(), rtol=1e-9, atol=1e-12)


def test_every_batch_of_an_epoch_is_drawn(make_job):
    # int(1 / (1 / 93)) is 92.
    job = make_job(count=93, batch_size=1, epochs=2, privacy=_privacy(noise_multiplier=1.0))
    assert train(job, "cpu").guarantee["steps"] == total_steps(job) == 186


@pytest.mark.parametrize("sigma", [0.7, 1.0, 3.0])
@pytest.mark.parametrize("steps", [1, 2, 20])
def test_at_rate_1_the_budget_is_that_of_the_gaussian_mechanism(sigma, steps):
    # Balle & Wang, ICML 2018, theorem 8: the exact delta of Gaussian noise.
    mu, delta = math.sqrt(steps) / sigma, 1e-3

    def excess(epsilon):
        half, far = mu / 2, epsilon / mu
        return norm.cdf(half - far) - math.exp(epsilon) * norm.cdf(-half - far) - delta

    exact = brentq(excess, 0, 100)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        epsilon, by_rdp, _ = spent.__wrapped__(sigma, 1.0, steps, delta, "prv")
    assert exact <= epsilon <= exact + 0.02 * max(1, by_rdp / 10)


@pytest.mark.parametrize("batch_size", [49, 100])
@pytest.mark.parametrize("budget", [{"noise_multiplier": 1.0}, {"noise_multiplier": None, "epsilon": 8.0}])
def test_nothing_is_warned_of_at_rate_1(make_job, batch_size, budget):
    spent.cache_clear()
    noise_for_budget.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = train(
            make_job(count=49, batch_size=batch_size, epochs=2, privacy=_privacy(**budget)), "cpu"
        )
    assert trained.guarantee["sampling_rate"] == 1


def test_per_sample_gradients_agree_with_a_loop(make_job, tiny):
    job = make_job(count=12, dtype=torch.float64, model=tiny(norm="group"), privacy=_privacy())
    wrapped = prepare_module(job, CPU)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, optimizer, _, _ = _make_private(job, job.privacy, 1.0, wrapped)
        loss = torch.nn.functional.cross_entropy(wrapped(job.images[0]), job.labels)
        loss.backward()
    module = prepare_module(job, CPU)
    for i in range(12):
        module.zero_grad()
        torch.nn.functional.cross_entropy(module(job.images[0, i : i + 1]), job.labels[i : i + 1]).backward()
        for sampled, p in zip(optimizer.grad_samples, module.parameters(), strict=True):
            assert torch.allclose(sampled[i], p.grad, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("mode", ["hooks", "ghost"])
def test_the_noise_has_the_promised_deviation(make_job, mode):
    # Nothing but noise: the gradients are clipped to almost nothing.
    sigma, norm, lr = 3.0, 1e-6, 1.0
    privacy = _privacy(noise_multiplier=sigma, max_grad_norm=norm, mode=mode)
    job = make_job(
        dtype=torch.float64, epochs=1, batch_size=60, lr=lr, momentum=0.0, schedule="constant",
        privacy=privacy,
    )  # fmt: skip
    start = torch.cat([p.detach().flatten() for p in prepare_module(job, CPU).parameters()])
    moved = (_weights(train(job, "cpu")) - start) * 60 / (sigma * norm)
    # Two steps of unit noise; the clipped sums add at most 1/3 of a unit in norm each.
    assert float(moved.std()) == pytest.approx(math.sqrt(2), rel=0.1)


@pytest.mark.parametrize("mode", ["hooks", "ghost"])
def test_empty_poisson_batches_are_steps_too(make_job, mode):
    job = make_job(count=3, batch_size=1, epochs=10, privacy=_privacy(mode=mode, delta=1e-2))
    trained = train(job, "cpu")
    assert trained.guarantee["steps"] == 30
    assert all(map(math.isfinite, trained.losses))
    again = train(job, "cpu")
    assert torch.equal(_weights(trained), _weights(again))


@pytest.mark.parametrize("accountant", ["prv", "rdp"])
def test_the_budget_is_met_and_recorded(make_job, accountant):
    job = make_job(privacy=PrivacySettings(epsilon=3.0, delta=1e-3, accountant=accountant))
    guarantee = train(job, "cpu").guarantee
    assert 2.95 < guarantee["epsilon"] <= 3.0
    assert guarantee["epsilon"] <= guarantee["epsilon_rdp"] + 1e-9
    assert guarantee["steps"] == total_steps(job) == 8
    assert guarantee["sampling_rate"] == 0.25
    assert (guarantee["delta"], guarantee["clipping_norm"]) == (1e-3, 1.0)
    assert (guarantee["accountant"], guarantee["mode"]) == (accountant, "hooks")
    reference = {"prv": PRVAccountant, "rdp": RDPAccountant}[accountant]()
    for _ in range(8):
        reference.step(noise_multiplier=guarantee["sigma"], sample_rate=0.25)
    assert guarantee["epsilon"] == pytest.approx(reference.get_epsilon(delta=1e-3), rel=1e-3)


def test_epsilon_falls_with_the_noise_and_grows_with_the_steps():
    by_sigma = [spent(sigma, 0.1, 50, 1e-4, "prv")[0] for sigma in (0.6, 1.0, 2.0, 4.0)]
    assert by_sigma == sorted(by_sigma, reverse=True)
    by_steps = [spent(1.0, 0.1, steps, 1e-4, "prv")[0] for steps in (10, 50, 200)]
    assert by_steps == sorted(by_steps)
    for sigma in (0.6, 1.0, 4.0):
        prv, rdp, _ = spent(sigma, 0.1, 50, 1e-4, "prv")
        assert prv <= rdp
    # Too little noise for PRV: the bound of RDP stands in, and says so.
    epsilon, by_rdp, accountant = spent(0.05, 0.1, 50, 1e-4, "prv")
    assert epsilon == by_rdp > 300
    assert accountant == "rdp"


@pytest.mark.parametrize("epsilon", [0.5, 8.0, 100.0])
def test_noise_for_a_budget(epsilon):
    prv = noise_for_budget(epsilon, 1e-4, 0.1, 50, "prv")
    rdp = noise_for_budget(epsilon, 1e-4, 0.1, 50, "rdp")
    assert prv < rdp
    reached = spent(prv, 0.1, 50, 1e-4, "prv")[0]
    assert epsilon - max(0.02, epsilon / 500) < reached <= epsilon


def test_bad_settings_are_refused(make_job, tiny):
    for privacy, message in (
        (_privacy(delta=0.01), r"not below 1/N = 0\.00833 for 120 .*Try delta=0\.0008"),
        (PrivacySettings(delta=1e-3), "either epsilon"),
        (_privacy(epsilon=1.0), "either epsilon"),
        (PrivacySettings(epsilon=1e-9, delta=1e-3), "no noise meets epsilon=1e-09"),
    ):
        with pytest.raises(UserError, match=message):
            train(make_job(privacy=privacy), "cpu")
    with pytest.raises(UserError, match=r"'tiny-cnn.*cannot be trained with DP-SGD.*GroupNorm"):
        train(make_job(privacy=_privacy(), model=tiny(norm="batch")), "cpu")


def test_private_training_learns_and_noise_depends_on_the_seed(make_job):
    privacy = _privacy(noise_multiplier=0.5, mode="ghost", delta=1e-4)
    config = {"count": 1200, "epochs": 8, "batch_size": 120, "lr": 0.3, "privacy": privacy}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained = train(make_job(**config), "cpu")
    assert trained.losses[-1] < 0.7 * trained.losses[0]
    assert all(name[0].isdigit() for name in trained.weights)
    assert all(not value.requires_grad for value in trained.weights.values())
    other = train(make_job(seed=1, **config), "cpu")
    assert not torch.equal(_weights(trained), _weights(other))


@pytest.mark.parametrize(("optimizer", "lr"), [("adam", 1e-2), ("st-adam", 2e-3)])
def test_other_optimisers_take_private_gradients(make_job, optimizer, lr):
    config = {"count": 600, "epochs": 8, "batch_size": 60, "optimizer": optimizer, "lr": lr}
    job = make_job(privacy=_privacy(noise_multiplier=0.1), **config)
    losses = train(job, "cpu").losses
    assert losses[-1] < 0.9 * losses[0]


@pytest.mark.cuda
@pytest.mark.parametrize("mode", ["hooks", "ghost"])
def test_private_training_on_cuda_agrees_with_the_cpu(make_job, mode):
    privacy = _privacy(noise_multiplier=0.0, mode=mode)
    job = make_job(dtype=torch.float64, privacy=privacy, augment=True)
    cpu, cuda = (_weights(train(job, device)) for device in ("cpu", "cuda"))
    assert float((cpu - cuda).abs().max()) < 1e-8
