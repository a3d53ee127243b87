"""Training a network that draws images from their features."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from privbench.core.errors import TrainingDiverged
from privbench.core.seeds import derive_seed
from privbench.models._deconvolution import Deconvolution
from privbench.training.restoration import restoration_loss

Pairs = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class TrainedDecoder:
    """A trained decoder.

    Attributes:
        network: standardised features to images.
        mean, deviation: [D], of the training features.
        losses: mean training loss of each epoch.
        validation: validation loss of each epoch.
    """

    network: torch.nn.Module
    mean: torch.Tensor
    deviation: torch.Tensor
    losses: tuple[float, ...]
    validation: tuple[float, ...]

    def decode(self, features: torch.Tensor, batch_size: int = 512) -> torch.Tensor:
        """Images [N, C, H, W] in [0, 1] for ``features`` [N, D]."""
        standard = (features - self.mean) / self.deviation
        with torch.inference_mode():
            drawn = torch.cat([self.network(part) for part in torch.split(standard, batch_size)])
        return drawn.clone().float().clamp(0, 1)


def train_decoder(
    pairs: Pairs,
    validation: Pairs,
    epochs: int,
    seed: int,
    width: int = 64,
    batch_size: int = 32,
    lr: float = 1e-3,
    on_epoch: Callable[[int, int], None] | None = None,
) -> TrainedDecoder:
    """Train a decoder on (features [N, D], images [N, C, H, W]) and keep its best epoch.

    Args:
        pairs: to learn from.
        validation: pairs that choose the epoch.
        epochs: passes over the pairs.
        seed: of weights and batch order.
        width: channels of the network's smallest map.
        batch_size: pairs in a step.
        lr: learning rate of Adam at the start of a cosine decay.
        on_epoch: called with (epochs done, epochs).

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
    """
    features, images = pairs
    mean = features.double().mean(0).float()
    deviation = features.double().std(0).float().clamp_min(1e-6)
    shape = (images.shape[1], images.shape[2], images.shape[3])
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also reseed CUDA's generators.
        torch.default_generator.manual_seed(derive_seed(seed, "weights"))
        network = Deconvolution(features.shape[1], shape, width)
    network = network.to(images.device)
    inputs = (features - mean) / deviation
    checked = (validation[0] - mean) / deviation
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    order = torch.Generator().manual_seed(derive_seed(seed, "order"))
    losses: list[float] = []
    curve: list[float] = []
    best = copy.deepcopy(network.state_dict())
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = lr * (1 + math.cos(math.pi * epoch / epochs)) / 2
        total = torch.zeros((), device=images.device)
        batches = torch.split(torch.randperm(len(images), generator=order).to(images.device), batch_size)
        for index in batches:
            optimizer.zero_grad()
            loss = restoration_loss(network(inputs[index]), images[index])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        losses.append(float(total) / len(batches))
        if not math.isfinite(losses[-1]):
            raise TrainingDiverged(f"the decoder's loss became {losses[-1]} in epoch {epoch + 1}")
        with torch.inference_mode():
            curve.append(float(restoration_loss(network(checked), validation[1])))
        if curve[-1] == min(curve):
            best = copy.deepcopy(network.state_dict())
        if on_epoch:
            on_epoch(epoch + 1, epochs)
    network.load_state_dict(best)
    return TrainedDecoder(network.eval(), mean, deviation, tuple(losses), tuple(curve))
