"""Auxiliary images that are kept from learning, to choose by."""

from __future__ import annotations

import torch

from privbench.core.errors import UserError
from privbench.core.view import AdversaryView

_LEAST_IMAGES = 10


def held_out(view: AdversaryView, attack: str, share: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Indices of a random one-in-``share`` of the auxiliary images, and of the others; on the view's device.

    Where identities are known, whole identities are held out that leave half of the images to learn from.
    Where there are none such (of one person alone) images are.

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
    people = view.auxiliary.identities
    if people is None:
        order = torch.randperm(count, generator=generator).to(view.device)
        return order[: count // share], order[count // share :]
    # The challenge shows other people: what memorises persons must not look good here.
    names, group = torch.unique(people.cpu(), return_inverse=True)
    order = torch.randperm(len(names), generator=generator)
    for start in range(len(names)):
        held = torch.isin(group, order.roll(-start)[: max(1, len(names) // share)])
        if 2 * int(held.sum()) <= count:
            break
    else:
        held = torch.zeros(count, dtype=torch.bool)
        held[torch.randperm(count, generator=generator)[: count // share]] = True
    return held.nonzero()[:, 0].to(view.device), (~held).nonzero()[:, 0].to(view.device)
