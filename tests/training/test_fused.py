"""The fused optimisers are torch's own, to the byte, without torch's compiler."""

import subprocess
import sys

import pytest
import torch

from privbench.core.training import TrainingConfig
from privbench.training.optimizers import make_optimizer, make_torch_optimizer, set_rate

CONFIGS = [
    TrainingConfig(optimizer="sgd", momentum=0.9, weight_decay=0.01),
    TrainingConfig(optimizer="sgd", momentum=0.0),
    TrainingConfig(optimizer="adam", lr=1e-3, beta=0.8, gamma=0.99, eps=1e-6, weight_decay=0.01),
    TrainingConfig(optimizer="st-adam", lr=1e-3),
]


def network():
    torch.manual_seed(1)
    return torch.nn.Sequential(torch.nn.Conv2d(1, 3, 3), torch.nn.Flatten(), torch.nn.Linear(108, 5))


def trained(make, config, dtype, scaler=None):
    module, x = network().to(dtype), torch.rand(4, 1, 8, 8, dtype=dtype)
    # The last bias is frozen: it has no gradient in any step.
    module[2].bias.requires_grad_(False)
    optimizer = make(config, module)
    for step in range(6):
        set_rate(optimizer, 0.01 / (step + 1))
        for parameter in module.parameters():
            parameter.grad = None
        loss = module(x * (step + 1)).square().mean()
        if scaler is None:
            loss.backward()
            optimizer.step()
        else:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    return [parameter.detach() for parameter in module.parameters()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.optimizer}-{c.weight_decay}")
def test_same_bytes_as_torch(config, dtype):
    torch.manual_seed(2)
    ours = trained(make_optimizer, config, dtype)
    torch.manual_seed(2)
    theirs = trained(make_torch_optimizer, config, dtype)
    assert all(map(torch.equal, ours, theirs))
    assert not torch.equal(ours[0], network().to(dtype)[0].weight)


@pytest.mark.parametrize("config", CONFIGS[:3], ids=lambda c: f"{c.optimizer}-{c.weight_decay}")
def test_a_gradient_scaler_takes_them(config):
    torch.manual_seed(2)
    plain = trained(make_optimizer, config, torch.float64)
    torch.manual_seed(2)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**8)
    scaled = trained(make_optimizer, config, torch.float64, scaler)
    assert all(torch.allclose(a, b, rtol=1e-12) for a, b in zip(plain, scaled, strict=True))


def test_an_overflow_is_skipped_by_the_scaler():
    module = network()
    optimizer = make_optimizer(CONFIGS[0], module)
    scaler = torch.amp.GradScaler("cpu")
    before = module[0].weight.detach().clone()
    scaler.scale(module(torch.full((2, 1, 8, 8), float("inf"))).sum()).backward()
    scaler.step(optimizer)
    assert torch.equal(module[0].weight, before)


def test_training_imports_neither_the_compiler_nor_torchvision():
    code = """
import sys, torch
from privbench.core.registry import create
from privbench.core.training import TrainingConfig, TrainingJob
from privbench.training.train import train
config = TrainingConfig(epochs=1)
job = TrainingJob(model=create("model", "cnn"), task=create("task", "classes"), config=config,
    images=torch.rand(1, 8, 1, 28, 28), labels=torch.arange(8) % 2, outputs=2, seed=1, privacy=None)
train(job, "cpu")
print([name for name in ("torch._dynamo", "torchvision", "scipy", "sklearn") if name in sys.modules])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
