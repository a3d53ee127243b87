"""The case of one attack: what is shown, and which private images the adversary knows already."""

from __future__ import annotations

from functools import partial

import torch

from privbench.core.attack import Attack
from privbench.core.deployment import Case, Deployment
from privbench.core.errors import UserError
from privbench.core.game import Game
from privbench.core.images import LabelledImages
from privbench.core.registry import create
from privbench.core.surface import Surface
from privbench.engine import seeds
from privbench.engine.setting import Setting, release_size


def shown_order(setting: Setting) -> torch.Tensor:
    """A random order of the private images, the same for every defense and attack of a seed."""
    generator = torch.Generator().manual_seed(seeds.shown(setting.seed))
    return torch.randperm(int(setting.parts.members.sum()), generator=generator)


def make_case(setting: Setting, deployment: Deployment, game: Game, attack: Attack) -> Case:
    """The case.

    Raises:
        UserError: the attack wants to know more of the private images than can be given away.
    """
    order = shown_order(setting)
    shown = order[: release_size(setting.scale)]
    release = partial(released, deployment)
    case = Case(deployment, setting.parts, shown, order, order[:0], release)
    wanted = attack.required_pairs
    if not wanted:
        return case
    pool = game.pool(case)
    if wanted > len(pool) or wanted >= len(order):
        raise UserError(
            f"{attack.selector} knows {wanted} private images; the {game.registry_name} game can give away "
            f"{min(len(pool), len(order) - 1)}. Ask for fewer, or use a larger dataset."
        )
    return Case(deployment, setting.parts, shown, order, pool[:wanted], release)


def released(deployment: Deployment, surface: str, data: LabelledImages, index: torch.Tensor) -> torch.Tensor:
    """What ``surface`` releases for ``data[index]``."""
    found = create("surface", surface)
    assert isinstance(found, Surface)
    return found.released(deployment, data.to(deployment.device), index)
