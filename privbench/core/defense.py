"""The bases of defenses, one for each family.

A defense is a declaration without data: it says how it is fitted and which surfaces a deployment
exposes. The same ``fit`` serves the deployment and an adversary's shadow models.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch

from privbench.core.images import LabelledImages
from privbench.core.keys import Keys
from privbench.core.method import Method
from privbench.core.model import Model
from privbench.core.protection import model_inputs
from privbench.core.seeds import derive_seed
from privbench.core.task import Task
from privbench.core.trainer import Trainer
from privbench.core.training import PrivacySettings, TrainedModel, TrainingConfig, TrainingJob


class Defense(Method):
    """What all families share.

    Attributes:
        surfaces: names of the surfaces that a deployment exposes.
        control: marks reference rows that must be broken (``break``) or leave every attack at
            chance (``null``).
    """

    kind = "defense"
    surfaces: ClassVar[frozenset[str]]
    control: ClassVar[str] = ""

    @property
    def exposes(self) -> frozenset[str]:
        """The surfaces that this configuration of the defense exposes."""
        return self.surfaces

    @property
    def reuses_key(self) -> bool:
        """Whether more than one image is protected under one key."""
        return False

    @property
    def feeds_releases(self) -> bool:
        """Whether the deployed model is given exactly what is released."""
        return False

    def keys(self, seed: int, count: int, device: torch.device | str = "cpu") -> Keys:
        """The keys of ``count`` images under the defense's key policy."""
        policy = Keys.fixed if self.reuses_key else Keys.fresh
        return policy(seed, count, device)

    @abstractmethod
    def fit(self, private: LabelledImages, public: LabelledImages, trainer: Trainer) -> TrainedModel:
        """Fit the defense to ``private`` data; ``public`` data may help.

        All randomness comes from ``trainer.seed`` and ``trainer.keys_seed``. ``weights`` of the result
        are the state dict of ``module``, and whatever tensors the surfaces need beside it.
        """

    def module(self, model: Model, shape: tuple[int, int, int], outputs: int) -> torch.nn.Module:
        """The network that is served, untrained: the run's model unless overridden."""
        return model.build(shape, outputs)

    def model_inputs(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """What the deployed model is given for ``images``; the images themselves unless overridden."""
        return images


class TrainingDefense(Defense):
    """Fits one model by the run's own training; protects the training, not the images.

    Subclasses change what is trained on, how, or with which guarantee.
    """

    surfaces = frozenset({"scores", "weights"})

    @property
    def versions(self) -> int:
        """How many independently protected copies of its data the model trains on, in turns."""
        return 1

    def training_set(self, private: LabelledImages, public: LabelledImages, seed: int) -> LabelledImages:
        """What the deployed model trains on, before protection; the private data by default."""
        return private

    def training_config(self, config: TrainingConfig) -> TrainingConfig:
        """How the deployed model is trained, given the run's ``config``; that itself by default."""
        return config

    def privacy(self, count: int) -> PrivacySettings | None:
        """Settings for differentially private training on ``count`` samples, or None."""
        return None

    def training_job(self, private: LabelledImages, public: LabelledImages, trainer: Trainer) -> TrainingJob:
        """The training of the model; version 0 of its images is exactly what is released."""
        data = self.training_set(private, public, trainer.seed)
        first = trainer.keys_seed
        seeds = [first, *(derive_seed(first, "version", v) for v in range(1, self.versions))]
        return TrainingJob(
            model=trainer.model,
            task=trainer.task,
            config=self.training_config(trainer.config.for_size(len(data))),
            images=torch.stack([model_inputs(self, data.images, seed) for seed in seeds]),
            labels=trainer.task.labels(data),
            outputs=trainer.outputs,
            seed=trainer.seed,
            privacy=self.privacy(len(data)),
        )

    def fit(self, private: LabelledImages, public: LabelledImages, trainer: Trainer) -> TrainedModel:
        """Train the one job; the engine trains the jobs of many shadows together."""
        return trainer.train(self.training_job(private, public, trainer))


class ImageDefense(TrainingDefense):
    """Releases protected images, and a model trained on them that serves predictions."""

    surfaces = frozenset({"images", "protect", "scores"})

    @property
    def feeds_releases(self) -> bool:
        """Whether ``model_inputs`` is not overridden."""
        return type(self).model_inputs is ImageDefense.model_inputs

    @abstractmethod
    def protect(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """Protected images, float32 [N, C, H, W] in [0, 1], for ``images`` of the same shape."""

    def model_inputs(self, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """What the deployed model is given; the released images unless overridden."""
        return self.protect(images, keys)


class EncoderDefense(TrainingDefense):
    """Releases features of images, by an encoder that is part of the trained model."""

    surfaces = frozenset({"features", "scores"})

    @abstractmethod
    def encode(self, model: Model, module: torch.nn.Module, images: torch.Tensor, keys: Keys) -> torch.Tensor:
        """Features, float32 [N, D], of ``images`` [N, C, H, W] by the trained ``module``.

        ``model`` is the run's model, which names its layers.
        """


class FederatedDefense(Defense):
    """Trains across clients that keep their data and send updates of the model to a server."""

    surfaces = frozenset({"updates", "scores", "weights"})

    @abstractmethod
    def client_update(
        self,
        module: torch.nn.Module,
        task: Task,
        images: torch.Tensor,
        labels: torch.Tensor,
        seeds: list[int],
    ) -> torch.Tensor:
        """What clients that hold one image each send in the observed round: float32 [N, P].

        Args:
            module: the global model at that round; P is the number of its parameters.
            task: what the model is taught.
            images: [N, C, H, W], one client each.
            labels: [N, ...], what each image is taught as.
            seeds: N seeds of the clients' own randomness.
        """
