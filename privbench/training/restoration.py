"""Training a network that restores images from protected ones."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from privbench.core.curves import still_falling
from privbench.core.errors import TrainingDiverged
from privbench.core.seeds import derive_seed
from privbench.metrics.ssim import WINDOW, ssim
from privbench.models._unet import UNet
from privbench.training.blending import fit_blend

Pairs = tuple[torch.Tensor, torch.Tensor]
Estimate = Callable[[torch.Tensor], torch.Tensor]

_GENTLE_START = 0.1
_WORTH = 0.06
"""What twice the training must bring: a fifth of it more, 0.32 doublings, is worth 2% (``core.curves``)."""


@dataclass(frozen=True)
class Restorer:
    """A trained network, blended with the analytic estimate and the prior.

    A network that learns L1 + (1 - SSIM) answers doubt with a median, not a mean. The blend, the
    least-squares fit to validation images, shrinks it to the mean image as far as it knows
    nothing, so that it loses to neither.

    Attributes:
        network: takes a released image beside its estimate and the prior, gives a correction.
        estimate: released images -> first estimates, same shape.
        prior: [C, H, W], the mean training image.
        blend: weights of the restored image, the estimate and the prior.
        losses: mean training loss of each epoch.
        validation: validation loss of the estimate alone, then of each epoch.
        stopped: whether training ended since it gained nothing more, and not since its budget was spent.
    """

    network: torch.nn.Module
    estimate: Estimate
    prior: torch.Tensor
    blend: tuple[float, ...]
    losses: tuple[float, ...]
    validation: tuple[float, ...]
    stopped: bool = True

    @property
    def helps(self) -> bool:
        """Whether the network beats the estimate that it started from, on validation data."""
        return min(self.validation[1:]) < self.validation[0]

    def restore(self, released: torch.Tensor, blended: bool = True, batch_size: int = 512) -> torch.Tensor:
        """Restored images in [0, 1], float32 [N, C, H, W].

        ``blended`` is best for the squared error. The network alone is best for SSIM; the estimate
        takes its place where it does not help.
        """
        if not blended and not self.helps:
            return self.estimate(released)
        parts = []
        for part in torch.split(released, batch_size):
            restored, estimate, prior = _terms(self.network, part, self.estimate, self.prior)
            weights = self.blend if blended else (1.0, 0.0, 0.0)
            parts.append(weights[0] * restored + weights[1] * estimate + weights[2] * prior)
        return torch.cat(parts).clamp(0, 1)


def correct(
    network: torch.nn.Module, released: torch.Tensor, estimate: torch.Tensor, prior: torch.Tensor
) -> torch.Tensor:
    """The estimate plus the network's correction, not clipped.

    The network sees the prior [C, H, W] too, which tells it where in the image it is.
    """
    inputs = torch.cat([released, estimate, prior.expand_as(estimate)], 1).contiguous(
        memory_format=torch.channels_last
    )
    with torch.autocast(released.device.type, torch.bfloat16, enabled=released.is_cuda):
        residual: torch.Tensor = network(inputs)
    return estimate + residual.float()


def restoration_loss(restored: torch.Tensor, originals: torch.Tensor) -> torch.Tensor:
    """L1 + (1 - SSIM), a scalar; L1 alone on images smaller than SSIM's window."""
    distance = (restored - originals).abs().mean()
    if min(originals.shape[-2:]) < WINDOW:
        return distance
    return distance + 1 - ssim(restored, originals).mean()


def train_restorer(
    pairs: Callable[[int], Pairs],
    validation: Pairs,
    estimate: Estimate,
    epochs: int,
    seed: int,
    width: int = 16,
    batch_size: int = 32,
    lr: float = 3e-3,
    on_epoch: Callable[[int, int], None] | None = None,
    budget: int | None = None,
) -> Restorer:
    """Train a residual U-Net on (released, original) pairs until that gains nothing, and keep its best epoch.

    The learning rate falls over ``epochs`` epochs, and again, from the top, over as many epochs as there
    have been, as long as ``budget`` allows and the last fall was worth it: it brought more than 6% of all
    that the validation loss fell (warm restarts, Loshchilov and Hutter, ICLR 2017). Where there
    is no second one, the last fifth of the first is judged.

    Args:
        pairs: epoch -> (released, originals), each float32 [N, C, H, W] on the device to train on;
            called once an epoch, so that a random defense can be run anew each time.
        validation: pairs that choose the epoch.
        estimate: the analytic estimate to start from.
        epochs: passes over the pairs before the first decision.
        seed: of weights and batch order.
        width: channels of the network's first level.
        batch_size: pairs in a step.
        lr: peak learning rate of Adam, after a warm-up and before a cosine decay.
        on_epoch: called with (epochs done, epochs that are sure to be made).
        budget: epochs at most; ``epochs`` if None, which decides nothing.

    Raises:
        TrainingDiverged: the loss became NaN or infinite.
    """
    released, originals = validation
    channels, device = originals.shape[1], originals.device
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also reseed CUDA's generators.
        torch.default_generator.manual_seed(derive_seed(seed, "weights"))
        network = UNet(3 * channels, channels, width)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)
    order = torch.Generator().manual_seed(derive_seed(seed, "order"))

    first = pairs(0)
    prior = first[1].double().mean(0).float()
    losses: list[float] = []
    curve = [_validate(None, validation, estimate, prior)]
    best = copy.deepcopy(network.state_dict())
    stopped, start, end = False, 0, epochs
    while not stopped and end <= max(epochs, budget or epochs):
        for epoch in range(start, end):
            inputs, targets = first if epoch == 0 else pairs(epoch)
            starts = estimate(inputs)
            steps = math.ceil(len(inputs) / batch_size)
            total = torch.zeros((), device=device)
            shuffled = torch.randperm(len(inputs), generator=order).to(device)
            for step, index in enumerate(torch.split(shuffled, batch_size)):
                done = ((epoch - start) * steps + step) / ((end - start) * steps)
                optimizer.param_groups[0]["lr"] = lr * _schedule(done)
                optimizer.zero_grad()
                restored = correct(network, inputs[index], starts[index], prior)
                if not torch.isfinite(restored).all():
                    raise TrainingDiverged(f"a restored image became NaN or infinite in epoch {epoch + 1}")
                loss = restoration_loss(restored, targets[index])
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                total += loss.detach()
            losses.append(float(total) / steps)
            curve.append(_validate(network, validation, estimate, prior))
            if curve[-1] == min(curve[1:]):
                best = copy.deepcopy(network.state_dict())
            if on_epoch:
                on_epoch(epoch + 1, end)
        # Where the rate has fallen the curve is flat, whatever a second fall would bring.
        stopped = start > 0 and not _worth_it(curve[: start + 1], curve)
        start, end = end, 2 * end
    if start == epochs:
        stopped = not still_falling(curve)
    network.load_state_dict(best)
    network.eval()
    blend = fit_blend(_terms(network, released, estimate, prior), originals)
    return Restorer(network, estimate, prior, blend, tuple(losses), tuple(curve), stopped)


def _worth_it(before: list[float], after: list[float]) -> bool:
    """Whether the further epochs brought enough of all that the loss fell."""
    return min(before) - min(after) > _WORTH * (after[0] - min(after))


def _terms(
    network: torch.nn.Module, released: torch.Tensor, estimate: Estimate, prior: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    with torch.inference_mode():
        first = estimate(released)
        restored = correct(network, released, first, prior).clamp(0, 1)
    # Copies made outside inference mode, so that callers may go on computing with them.
    return restored.clone(), first.clone(), prior.expand_as(first)


def _schedule(done: float) -> float:
    return min(1.0, done / _GENTLE_START + 0.05) * (1 + math.cos(math.pi * done)) / 2


def _validate(
    network: torch.nn.Module | None, pairs: Pairs, estimate: Estimate, prior: torch.Tensor
) -> float:
    released, originals = pairs
    with torch.inference_mode():
        restored = estimate(released)
        if network is not None:
            restored = correct(network, released, restored, prior)
        return float(restoration_loss(restored.clamp(0, 1), originals))
