"""Which modules have per-sample gradients, as DP-SGD needs them."""

from __future__ import annotations

from typing import Any, get_args

from opacus.validators import ModuleValidator
from torch import nn

from privbench.core.errors import UserError
from privbench.core.method import Method


def check_private(model: Method, module: nn.Module) -> None:
    """Refuse a module, built by ``model``, that has no per-sample gradients.

    Raises:
        UserError: the layer, and what to choose.
    """
    module.train()
    errors = _errors(module)
    if not errors:
        return
    leaves = [(name, part) for name, part in module.named_modules() if not list(part.children())]
    bad = [f"{name} is a {type(part).__name__}" for name, part in leaves if _errors(part)]
    why = f"layer {bad[0]}" if bad else str(errors[0]).partition(". ")[0]
    norm = type(model).model_fields.get("norm")
    advice = "a model without batch statistics (GroupNorm in place of BatchNorm)"
    if norm is not None and "group" in get_args(norm.annotation):
        advice = model.model_copy(update={"norm": "group"}).selector
    raise UserError(
        f"the model {model.selector!r} cannot be trained with DP-SGD, which needs each sample's gradient: "
        f"{why}. Choose {advice}."
    )


def _errors(module: nn.Module) -> list[Any]:
    return list(ModuleValidator.validate(module, strict=False))
