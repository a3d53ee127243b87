"""Training of one model, plain or private."""

from __future__ import annotations

from dataclasses import replace

import torch

from privbench.core.training import TrainedModel, TrainingJob
from privbench.core.warned import heard
from privbench.training.environment import one_thread, seeded
from privbench.training.loop import OnEpoch, train_plainly
from privbench.training.plan import check_job


def train(job: TrainingJob, device: torch.device | str, on_epoch: OnEpoch | None = None) -> TrainedModel:
    """Train one model.

    The data stay on the device. A CPU trains on one thread, whatever the caller's setting, so
    that the same job gives the same bytes inline and in a worker process. CUDA trains in mixed
    precision and channels-last. Jobs with ``privacy`` train with DP-SGD.

    Args:
        job: what to train. float64 images train a float64 model (without mixed precision).
        device: where to train.
        on_epoch: called after each epoch with (epochs done, epochs in all).

    Raises:
        DataError: images or labels that cannot be trained on.
        UserError: privacy settings that cannot be met.
        TrainingDiverged: the loss or a weight became NaN or infinite.
    """
    check_job(job)
    device = torch.device(device)
    with heard() as warned, one_thread(device), seeded(job.seed, device):
        trained = _trained(job, device, on_epoch)
    return replace(trained, warnings=warned.texts())


def _trained(job: TrainingJob, device: torch.device, on_epoch: OnEpoch | None) -> TrainedModel:
    if job.privacy is not None:
        # Opacus takes seconds to import.
        from privbench.training.private import train_private

        return train_private(job, device, on_epoch)
    return train_plainly(job, device, on_epoch)
