"""Auxiliary images that are kept from learning, to choose by."""

from __future__ import annotations

import torch

from privbench.core.errors import UserError
from privbench.core.view import AdversaryView

_LEAST_IMAGES = 10


def held_out(view: AdversaryView, attack: str, share: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices of a random one-in-``share`` of the auxiliary images, and of the others; on the view's device.

    Raises:
        UserError: fewer than ten auxiliary images; the message names ``attack``.
    """
    count = len(view.auxiliary)
    if count < _LEAST_IMAGES:
        raise UserError(
            f"{attack} learns from at least {_LEAST_IMAGES} auxiliary images; there are {count}. "
            "Use a larger dataset."
        )
    generator = torch.Generator().manual_seed(view.seed("held-out"))
    order = torch.randperm(count, generator=generator).to(view.device)
    return order[: count // share], order[count // share :]
