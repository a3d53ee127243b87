"""An attack that tries to reach the truth through its view, its challenge or its callers cannot."""

import gc
import sys
import types

import torch

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.registry import register
from privbench.core.threat import Game
from privbench.runner.stage import Stage

SKIPPED = (types.ModuleType, type, types.FrameType, types.CodeType, types.BuiltinFunctionType)


def reachable_tensors(*roots: object) -> list[torch.Tensor]:
    """All tensors in the object graph below ``roots``: attributes, closures, containers, defaults.

    Modules and classes are not followed (everything is reachable through ``sys.modules``: a plugin
    is code), nor are a function's globals; its closure is.
    """
    seen: set[int] = set()
    stack, found = list(roots), []
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, SKIPPED):
            continue
        seen.add(id(item))
        if isinstance(item, torch.Tensor):
            found.append(item.detach())
            continue
        if isinstance(item, types.FunctionType):
            stack += [item.__closure__, item.__defaults__, item.__kwdefaults__, item.__dict__]
            continue
        stack += gc.get_referents(item)
    return found


def caller_locals() -> list[object]:
    """The local variables of every frame above the attack's, up to the entry of ``play``."""
    frame, found = sys._getframe(2), []
    while frame is not None and "/privbench/" in frame.f_code.co_filename:
        found += list(frame.f_locals.values())
        frame = frame.f_back
    return found


@register("thief")
class Thief(Attack):
    """Searches everything it can reach for the answers."""

    games = frozenset(Game)

    def guess(self, view, challenge):
        LOOT[:] = reachable_tensors(view, challenge, *caller_locals())
        floor = registry.create("attack", "blind")
        return floor.guess(view, challenge)


LOOT: list[torch.Tensor] = []


def holds(tensors: list[torch.Tensor], secret: torch.Tensor) -> bool:
    """Whether the secret is among the tensors, as it is, as other numbers, or row by row."""
    for tensor in tensors:
        if tensor.shape == secret.shape and torch.equal(tensor.double(), secret.double()):
            return True
        if secret.dim() == 4 and tensor.dim() >= 4 and tensor.shape[-3:] == secret.shape[-3:]:
            rows = tensor.reshape(-1, *secret.shape[-3:])
            if any(bool((rows == row).flatten(1).all(1).any()) for row in secret[:4]):
                return True
        if secret.dtype == torch.bool and tensor.dim() == 1 and not tensor.is_floating_point():
            positions = secret.nonzero()[:, 0]
            if tensor.shape == positions.shape and torch.equal(tensor.sort().values.long(), positions):
                return True
    return False


def loot_of(stage: Stage, defense: str, game: Game) -> list[torch.Tensor]:
    from privbench.runner.execute import play

    LOOT.clear()
    play(stage, registry.create("defense", defense), Thief(), game)
    assert LOOT, "the thief must have found the tensors that it may see"
    return list(LOOT)


def test_membership_cannot_be_reached(stage):
    loot = loot_of(stage, "vim", Game.MEMBERSHIP)
    truth = stage.truth(Game.MEMBERSHIP)
    assert not holds(loot, truth.members)


def test_originals_cannot_be_reached(stage):
    loot = loot_of(stage, "vim", Game.RECONSTRUCTION)
    truth = stage.truth(Game.RECONSTRUCTION)
    assert not holds(loot, truth.originals.images)


def test_features_cannot_be_reached(stage):
    loot = loot_of(stage, "vim", Game.FEATURE)
    assert not holds(loot, stage.truth(Game.FEATURE).features)


def test_the_thief_would_have_found_them(stage):
    # Without protection the release is the originals, and the same search finds them.
    loot = loot_of(stage, "none", Game.RECONSTRUCTION)
    assert holds(loot, stage.truth(Game.RECONSTRUCTION).originals.images)


def test_a_planted_leak_is_found(stage):
    truth = stage.truth(Game.MEMBERSHIP)
    view = stage.view(registry.create("defense", "vim"), Game.MEMBERSHIP, "thief")
    view.progress = lambda done, total, text, leak=truth.members: None
    assert holds(reachable_tensors(view), truth.members)
