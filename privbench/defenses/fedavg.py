"""Federated averaging."""

from __future__ import annotations

import math

import torch
from pydantic import Field

from privbench.core.defense import FederatedDefense
from privbench.core.errors import TrainingDiverged, UserError
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.core.seeds import derive_seed
from privbench.core.task import Task
from privbench.core.trainer import Trainer
from privbench.core.training import TrainedModel


@register("fedavg")
class FedAvg(FederatedDefense):
    """Clients train on their own images and send their weights; the server averages them by size.

    The private images are dealt to the clients at random. Nothing is added to the updates: what a
    client sends is protected by the number of images and steps behind it alone. In the observed round,
    after training, clients hold one image each and take ``epochs`` steps.
    """

    source = (
        "McMahan, Moore, Ramage, Hampson, Agüera y Arcas, Communication-efficient learning of deep networks "
        "from decentralized data, AISTATS 2017, algorithm 1"
    )

    clients: int = Field(10, ge=1, le=1000, description="clients, all of which take part in every round")
    rounds: int = Field(10, ge=1, le=10_000, description="rounds of training")
    epochs: int = Field(5, ge=1, le=100, description="passes over its images that a client makes a round")
    batch_size: int = Field(32, ge=1, description="of a client's steps")
    lr: float = Field(0.1, gt=0, description="learning rate of the clients' plain SGD")

    def fit(self, private: LabelledImages, public: LabelledImages, trainer: Trainer) -> TrainedModel:
        """The global model after all rounds.

        Buffers, such as the running statistics of batch normalisation, are averaged like weights.

        Raises:
            UserError: there are more clients than images.
            TrainingDiverged: the loss became NaN or infinite.
        """
        from privbench.training.environment import clock, one_thread, seeded
        from privbench.training.modules import build_defended

        if len(private) < self.clients:
            raise UserError(
                f"fedavg: {self.clients} clients for {len(private)} images. Use fewer clients or more images."
            )
        device, count = trainer.device, len(private)
        labels = trainer.task.labels(private)
        shares = [part.to(private.images.device) for part in dealt(count, self.clients, trainer.seed)]
        module = build_defended(self, trainer.model, trainer.shape, trainer.outputs, trainer.seed).to(device)
        start, losses = clock(device), []
        with one_thread(device), seeded(trainer.seed, device):
            state = {name: value.clone() for name, value in module.state_dict().items()}
            for number in range(self.rounds):
                mean = {name: torch.zeros_like(value, dtype=torch.float64) for name, value in state.items()}
                total = 0.0
                for client, share in enumerate(shares):
                    module.load_state_dict(state)
                    seed = derive_seed(trainer.seed, "client", number, client)
                    loss = self._local(module, trainer.task, private.images[share], labels[share], seed)
                    weight = len(share) / count
                    total += weight * loss
                    for name, value in module.state_dict().items():
                        mean[name] += weight * value.double()
                if not math.isfinite(total):
                    raise TrainingDiverged(
                        f"{self.selector}: the loss is {total} in round {number + 1} of {self.rounds}. "
                        f"Lower lr (such as {self.lr / 10:g}) or epochs."
                    )
                state = {name: mean[name].to(value.dtype) for name, value in state.items()}
                losses.append(total)
                trainer.progress(number + 1, self.rounds, "federated rounds")
        weights = {name: value.detach().cpu().contiguous() for name, value in state.items()}
        return TrainedModel(weights, tuple(losses), clock(device) - start, {})

    def client_update(
        self,
        module: torch.nn.Module,
        task: Task,
        images: torch.Tensor,
        labels: torch.Tensor,
        seeds: list[int],
    ) -> torch.Tensor:
        """The change of the weights by ``epochs`` steps on one image each, float32 [N, P]."""
        from privbench.training.client_updates import local_changes

        return local_changes(module, task, images, labels, steps=self.epochs, lr=self.lr)

    def _local(
        self, module: torch.nn.Module, task: Task, images: torch.Tensor, labels: torch.Tensor, seed: int
    ) -> float:
        """Train ``module`` in place on a client's images; return its mean loss in the last epoch."""
        module.train()
        optimizer = torch.optim.SGD(module.parameters(), lr=self.lr)
        criterion = task.criterion()
        generator = torch.Generator().manual_seed(seed)
        total = torch.zeros(())
        for _ in range(self.epochs):
            total = torch.zeros((), device=images.device)
            for index in torch.split(torch.randperm(len(images), generator=generator), self.batch_size):
                on_device = index.to(images.device)
                loss = criterion(module(images[on_device]), labels[on_device])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(index)
        return float(total) / len(images)


def dealt(count: int, clients: int, seed: int) -> list[torch.Tensor]:
    """Which of ``count`` images each client holds: a random deal of sizes that differ by at most one."""
    generator = torch.Generator().manual_seed(derive_seed(seed, "clients"))
    return list(torch.tensor_split(torch.randperm(count, generator=generator), clients))
