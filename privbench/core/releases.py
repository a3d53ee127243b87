"""What surfaces released, by their names, as an attack holds it."""

from __future__ import annotations

from typing import NoReturn

import torch

from privbench.core.errors import SurfaceMissing


class Releases(dict[str, "torch.Tensor"]):
    """Surface -> [N, ...]. A surface that the attack does not declare is refused in words."""

    def __missing__(self, name: str) -> NoReturn:
        seen = f"; it sees: {', '.join(sorted(self))}" if self else ""
        raise SurfaceMissing(
            f"this attack does not see what the surface {name!r} released{seen}. Add it to `needs`, as in "
            f'needs = {{"{name}"}}, if the game is played on it.'
        )
