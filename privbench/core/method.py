"""The base of everything in a registry: a named class with validated hyperparameters."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from privbench.core.errors import UserError, unknown
from privbench.core.selector import format_value

Kind = Literal["attack", "defense", "metric", "dataset", "model"]


class Method(BaseModel):
    """A method of one kind; its fields are its hyperparameters.

    ``registry_name`` is set by ``register``. Instances are frozen and compare by value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    kind: ClassVar[Kind]
    registry_name: ClassVar[str] = ""
    source: ClassVar[str] = ""
    """Where the method comes from: authors, title, year, equation."""

    @classmethod
    def create(cls, params: dict[str, Any]) -> Self:
        """Build the method from raw parameters.

        Raises:
            UserError: an unknown parameter, or a value of the wrong type or out of range.
        """
        for key in params:
            if key not in cls.model_fields:
                raise unknown(f"parameter of {cls.kind} {cls.registry_name!r}:", key, cls.model_fields)
        try:
            return cls(**params)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(map(str, first["loc"])) or "parameters"
            given = f"={first['input']!r}" if first["loc"] else ""
            raise UserError(
                f"{cls.kind} {cls.registry_name!r}: {field}{given} is not valid: {first['msg']}. "
                f"See: privbench show {cls.kind} {cls.registry_name}"
            ) from None

    @property
    def selector(self) -> str:
        """The canonical selector: the name and every parameter that is not at its default."""
        return self.registry_name + self._brackets()

    def _brackets(self, *without: str) -> str:
        """The parameters that are not at their defaults, but for ``without``, as a selector writes them."""
        changed = [
            f"{name}={format_value(getattr(self, name))}"
            for name, field in type(self).model_fields.items()
            if name not in without and getattr(self, name) != field.default
        ]
        return f"[{','.join(changed)}]" if changed else ""
