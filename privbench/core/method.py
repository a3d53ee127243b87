"""The base of everything in a registry: a named class with validated hyperparameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from privbench.core.errors import UserError, shortened, unknown
from privbench.core.selector import format_value

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Kind = Literal["attack", "defense", "game", "surface", "task", "metric", "dataset", "model"]


class Method(BaseModel):
    """A method of one kind; its fields are its hyperparameters.

    ``registry_name`` and ``place`` are set by the registry. Instances are frozen and compare by value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    kind: ClassVar[Kind]
    registry_name: ClassVar[str] = ""
    place: ClassVar[str] = ""
    """How the command line finds the class: its registered name, or PATH.py:ClassName."""
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
            raise UserError(
                f"{cls.kind} {cls.registry_name!r}: {_why(error)}. See: privbench show {cls.kind} {cls.place}"
            ) from None

    @classmethod
    def missing(cls) -> list[str]:
        """What a class must still define before it can be used: abstract methods and declarations."""
        undeclared = [name for name in cls.__class_vars__ if not hasattr(cls, name)]
        return sorted([*getattr(cls, "__abstractmethods__", ()), *undeclared])

    @property
    def uses(self) -> tuple[Method, ...]:
        """Other methods that this one finds by their names, such as a model that it trains.

        Keys of cached results hold their code too.
        """
        return ()

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


_BOUNDS = {
    "greater_than": ("gt", ">"),
    "greater_than_equal": ("ge", "≥"),
    "less_than": ("lt", "<"),
    "less_than_equal": ("le", "≤"),
}
_TYPES = {"int": "a whole number", "float": "a number", "finite": "a finite number", "bool": "true or false"}


def _why(error: ValidationError) -> str:
    """What is wrong with the first parameter that does not fit, in words of our own."""
    found = error.errors(include_url=False)
    if not found[0]["loc"]:
        return expected(found[0])
    field = found[0]["loc"][0]
    if found[0]["type"] == "missing":
        return f"{field} is needed"
    given = found[0]["input"]
    # A parameter of several types fails once for each of them.
    reasons = dict.fromkeys(expected(each) for each in found if each["loc"][0] == field)
    shown = shortened(given if isinstance(given, str) else format_value(given))
    wanted = " or ".join([reason.removeprefix("expected ") for reason in reasons])
    start = "expected " if all(reason.startswith("expected ") for reason in reasons) else ""
    return f"{field}={shown} is not valid: {start}{wanted}"


def expected(detail: ErrorDetails) -> str:
    """One of pydantic's findings in words of our own: ``expected …``, where it is about a type or a range."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _BOUNDS:
        key, sign = _BOUNDS[kind]
        return f"expected a value {sign} {format_value(context[key])}"
    if kind in {"value_error", "assertion_error"}:
        return str(context["error"]).rstrip(".")
    if kind == "string_too_short":
        return "expected some text"
    if kind in {"literal_error", "enum"}:
        return f"expected {context['expected']}"
    if kind.partition("_")[0] in _TYPES:
        return f"expected {_TYPES[kind.partition('_')[0]]}"
    return detail["msg"][:1].lower() + detail["msg"][1:]
