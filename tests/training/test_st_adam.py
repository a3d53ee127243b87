from __future__ import annotations

import math

import pytest
import torch

from privbench.training.st_adam import STAdam


def _steps(optimizer_of, gradients, start):
    weight = torch.nn.Parameter(start.clone())
    optimizer = optimizer_of([weight])
    path = [start.clone()]
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
        path.append(weight.detach().clone())
    return torch.stack(path).diff(dim=0)


def test_ratio_to_adam_follows_the_law():
    generator = torch.Generator().manual_seed(0)
    gradients = torch.randn(1000, 5, generator=generator, dtype=torch.float64)
    start = torch.zeros(5, dtype=torch.float64)
    ours = _steps(lambda p: STAdam(p, lr=1e-3, eps=1e-30), gradients, start)
    adam = _steps(lambda p: torch.optim.Adam(p, lr=1e-3, eps=1e-30), gradients, start)
    times = torch.arange(1, 1001, dtype=torch.float64)
    law = (1 - 0.9**times) / (1 - 0.999**times).sqrt()
    assert torch.allclose(ours, adam * law[:, None], rtol=1e-9, atol=1e-15)
    assert law[0] == pytest.approx(3.16, abs=0.005)
    assert int(law.argmax()) + 1 == 12
    assert law.max() == pytest.approx(6.57, abs=0.005)
    assert law[99] == pytest.approx(3.24, abs=0.005)
    assert law[999] == pytest.approx(1.26, abs=0.005)


@pytest.mark.parametrize("eps_mode", ["outside", "inside"])
def test_agrees_with_a_scalar_loop(eps_mode):
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(3, generator=generator, dtype=torch.float64)
    gradients = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    lr, beta, gamma, eps, decay = 0.01, 0.8, 0.95, 1e-2, 0.1
    settings = {"beta": beta, "gamma": gamma, "eps": eps, "eps_mode": eps_mode, "weight_decay": decay}
    ours = start + _steps(lambda p: STAdam(p, lr=lr, **settings), gradients, start).sum(0)
    for i in range(3):
        w, m, v = float(start[i]), 0.0, 0.0
        for gradient in gradients[:, i].tolist():
            g = gradient + decay * w
            m = beta * m + (1 - beta) * g
            v = gamma * v + (1 - gamma) * g * g
            w -= lr * m / (math.sqrt(v) + eps if eps_mode == "outside" else math.sqrt(v + eps))
        assert float(ours[i]) == pytest.approx(w, rel=1e-12)


def test_leaves_parameters_without_gradients_alone_and_runs_a_closure():
    used, unused = torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    optimizer = STAdam([used, unused], lr=0.1)

    def closure():
        optimizer.zero_grad()
        loss = (used**2).sum()
        loss.backward()
        return float(loss.detach())

    assert optimizer.step(closure) == 2.0
    assert float(used.detach().max()) < 1.0
    assert torch.equal(unused.detach(), torch.ones(2))
    STAdam([used]).step()


def test_state_survives_a_checkpoint():
    start = torch.randn(4, generator=torch.Generator().manual_seed(2))
    gradients = torch.randn(6, 4, generator=torch.Generator().manual_seed(3))
    weight = torch.nn.Parameter(start.clone())
    optimizer = STAdam([weight], lr=0.01)
    for number, gradient in enumerate(gradients):
        if number == 3:
            restored = STAdam([weight], lr=0.5)
            restored.load_state_dict(optimizer.state_dict())
            optimizer = restored
        weight.grad = gradient.clone()
        optimizer.step()
    straight = start + _steps(lambda p: STAdam(p, lr=0.01), gradients, start).sum(0)
    assert torch.allclose(weight.detach(), straight, atol=1e-6)


@pytest.mark.parametrize("wrong", [{"eps_mode": "both"}, {"lr": 0.0}, {"beta": 1.0}, {"eps": 0.0}])
def test_refuses_bad_settings(wrong):
    with pytest.raises(ValueError, match=r"eps_mode|ST-Adam needs"):
        STAdam([torch.nn.Parameter(torch.ones(1))], **wrong)
