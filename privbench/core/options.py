"""Options of a run beside its scale: how its models are trained, and how much data it uses."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from privbench.core.errors import UserError
from privbench.core.method import expected
from privbench.core.selector import format_value
from privbench.core.training import TrainingConfig


class Options(BaseModel):
    """What overrides the scale's budget; None leaves it as it is.

    ``images`` is how many images of the dataset are used at most; the others change the training of
    the target, plain and shadow models.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    images: int | None = Field(None, ge=1)
    optimizer: Literal["sgd", "adam", "st-adam"] | None = None
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    lr: float | None = Field(None, gt=0)
    schedule: Literal["cosine", "constant"] | None = None
    augment: bool | None = None

    @classmethod
    def create(cls, **given: object) -> Options:
        """Options from raw values.

        >>> str(Options.create(optimizer="st-adam", epochs=5, lr=None))
        'epochs=5,optimizer=st-adam'

        Raises:
            UserError: a value is out of range or of the wrong type.
        """
        try:
            return cls.model_validate({name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            name = str(detail["loc"][0]) if detail["loc"] else "options"
            raise UserError(f"--{name.replace('_', '-')} {detail['input']}: {expected(detail)}.") from None

    def __str__(self) -> str:
        """``epochs=5,optimizer=st-adam``; empty where nothing is overridden."""
        given = self.model_dump(exclude_none=True)
        return ",".join(f"{name}={format_value(given[name])}" for name in sorted(given))

    def training(self, config: TrainingConfig) -> TrainingConfig:
        """``config`` with what is overridden; Adam's own learning rate where the optimiser changes alone."""
        given = self.model_dump(exclude_none=True, exclude={"images"})
        if self.epochs is not None:
            given["min_steps"] = 0
        if self.lr is None and self.optimizer in {"adam", "st-adam"}:
            given["lr"] = 1e-3
        return config.model_copy(update=given)
