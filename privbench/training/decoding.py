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
from privbench.training.projection import Projection
from privbench.training.restoration import restoration_loss

Pairs = tuple[torch.Tensor, torch.Tensor]

COMPONENTS = 256
PATIENCE = 3
DROPS = 3
_DROP = 0.3
_WARM_UP = 0.02


@dataclass(frozen=True)
class TrainedDecoder:
    """A trained decoder.

    Attributes:
        network: projected features to images.
        projection: of the features.
        losses: mean training loss of each epoch.
        validation: validation loss of each epoch.
    """

    network: torch.nn.Module
    projection: Projection
    losses: tuple[float, ...]
    validation: tuple[float, ...]

    def decode(self, features: torch.Tensor, batch_size: int = 512) -> torch.Tensor:
        """Images [N, C, H, W] in [0, 1] for ``features`` [N, D]."""
        rows = self.projection(features)
        with torch.inference_mode():
            drawn = torch.cat([self.network(part) for part in torch.split(rows, batch_size)])
        return drawn.clone().float().clamp(0, 1)


def train_decoder(
    pairs: Pairs,
    validation: Pairs,
    steps: int,
    seed: int,
    width: int = 64,
    batch_size: int = 32,
    lr: float = 3e-3,
    on_epoch: Callable[[int, int], None] | None = None,
) -> TrainedDecoder:
    """Train a decoder on (features [N, D], images [N, C, H, W]) until it stops improving; keep the best.

    After three epochs without a better validation loss, training goes on from the best epoch with a
    third of the learning rate, three times over.

    Args:
        pairs: to learn from.
        validation: pairs that choose the epoch.
        steps: gradient steps, at most; the learning rate falls to 0 over them (a cosine).
        seed: of weights and batch order.
        width: channels of the network's smallest map.
        batch_size: pairs in a step.
        lr: learning rate of Adam at the start, after a short warm-up.
        on_epoch: called with (steps done, steps).

    Raises:
        TrainingDiverged: a drawn image became NaN or infinite.
    """
    features, images = pairs
    projection = Projection.fitted(features, COMPONENTS)
    inputs, checked = projection(features), projection(validation[0])
    network = _built(inputs.shape[1], images, seed, width)
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    order = torch.Generator().manual_seed(derive_seed(seed, "order"))
    losses: list[float] = []
    curve: list[float] = []
    best = copy.deepcopy(network.state_dict())
    done = stalled = drops = 0
    while done < steps:
        total = torch.zeros((), device=images.device)
        shuffled = torch.randperm(len(images), generator=order).to(images.device)
        batches = torch.split(shuffled, batch_size)[: steps - done]
        for index in batches:
            optimizer.param_groups[0]["lr"] = lr * _DROP**drops * _schedule(done / steps)
            optimizer.zero_grad()
            drawn = network(inputs[index])
            if not torch.isfinite(drawn).all():
                raise TrainingDiverged(f"a drawn image became NaN or infinite in epoch {len(losses) + 1}")
            loss = restoration_loss(drawn, images[index])
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
            done += 1
        losses.append(float(total) / len(batches))
        with torch.inference_mode():
            curve.append(float(restoration_loss(network(checked), validation[1])))
        if curve[-1] == min(curve):
            best, stalled = copy.deepcopy(network.state_dict()), 0
        else:
            stalled += 1
        if on_epoch:
            on_epoch(done, steps)
        if stalled >= PATIENCE:
            if drops == DROPS:
                break
            network.load_state_dict(best)
            drops, stalled = drops + 1, 0
    network.load_state_dict(best)
    return TrainedDecoder(network.eval(), projection, tuple(losses), tuple(curve))


def _built(features: int, images: torch.Tensor, seed: int, width: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also reseed CUDA's generators.
        torch.default_generator.manual_seed(derive_seed(seed, "weights"))
        network = Deconvolution(features, (images.shape[1], images.shape[2], images.shape[3]), width)
    return network.to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _schedule(done: float) -> float:
    return min(1.0, done / _WARM_UP + 0.1) * (1 + math.cos(math.pi * done)) / 2
