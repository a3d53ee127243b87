"""Differentially private training."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from privbench.core.defense import TrainingDefense
from privbench.core.errors import UserError
from privbench.core.registry import register
from privbench.core.training import PrivacySettings, TrainingConfig


@register("dp-sgd")
class DpSgd(TrainingDefense):
    """Trains with clipped, noisy per-sample gradients; the model is (ε, δ)-differentially private.

    The guarantee is about one training image more or less (add or remove, Poisson sampling). It
    bounds membership inference against the model; it does not protect an image that is sent to it.
    Learning rate and batch are those that served best at ε = 8 on auxiliary data of MNIST-5k: private
    training wants larger batches than plain training, and an untuned row would flatter the others.
    """

    source = "Abadi et al., Deep Learning with Differential Privacy, CCS 2016, algorithm 1"

    epsilon: float = Field(8.0, gt=0, description="the budget; the noise is found from it")
    delta: float | None = Field(None, gt=0, lt=1, description="below 1/N; by default 1/(10 N)")
    max_grad_norm: float = Field(1.0, gt=0, description="per-sample gradients are clipped to this L2 norm")
    noise_multiplier: float | None = Field(
        None, ge=0, description="noise / max_grad_norm; given, epsilon follows from it and must be left out"
    )
    accountant: Literal["prv", "rdp"] = Field("prv", description="how the budget is counted")
    mode: Literal["hooks", "ghost"] = Field("hooks", description="per-sample gradients, or norms only")
    lr: float = Field(0.1, gt=0, description="learning rate, in place of the run's")
    batch_size: int = Field(128, ge=1, description="expected batch, in place of the run's")

    @model_validator(mode="after")
    def _one_budget(self) -> Self:
        if self.noise_multiplier is not None and self.epsilon != type(self).model_fields["epsilon"].default:
            raise ValueError("give epsilon or noise_multiplier, not both")
        return self

    def training_config(self, config: TrainingConfig) -> TrainingConfig:
        """The run's configuration with this defense's learning rate and batch size."""
        return config.model_copy(update={"lr": self.lr, "batch_size": self.batch_size})

    def privacy(self, count: int) -> PrivacySettings:
        """Settings for ``count`` training samples.

        Raises:
            UserError: ``delta`` is 1/count or more, at which releasing a whole sample would pass.
        """
        delta = 1 / (10 * count) if self.delta is None else self.delta
        if delta >= 1 / count:
            raise UserError(
                f"dp-sgd: delta={delta:g} is no privacy for {count} samples: it must be below "
                f"1/{count} = {1 / count:.3g}. Leave delta out for {1 / (10 * count):.3g}."
            )
        return PrivacySettings(
            epsilon=self.epsilon if self.noise_multiplier is None else None,
            noise_multiplier=self.noise_multiplier,
            delta=delta,
            max_grad_norm=self.max_grad_norm,
            accountant=self.accountant,
            mode=self.mode,
        )
