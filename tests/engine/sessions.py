"""Sessions, cells, adversaries and views as the engine makes them, for tests."""

from __future__ import annotations

from typing import Any

from privbench.core import registry
from privbench.core.method import Kind, Method
from privbench.core.options import Options
from privbench.core.view import AdversaryView
from privbench.engine.adversary import Adversary
from privbench.engine.cases import make_case
from privbench.engine.defender import Defender
from privbench.engine.execute import Session
from privbench.engine.executors.guess import Executor
from privbench.engine.executors.in_process import InProcess, LocalPort
from privbench.engine.plan import PlannedCell
from privbench.engine.referee import Referee
from privbench.engine.selection import dataset_source
from privbench.engine.setting import Setting
from privbench.store.cache import Cache


def quiet(done: int, total: int, text: str) -> None:
    """Hear of no progress."""


def setting_of(
    dataset: str = "mnist-5k",
    model: str = "cnn",
    task: str = "classes",
    scale: str = "smoke",
    device: str = "cpu",
    **options: Any,
) -> Setting:
    source = dataset_source(dataset)
    made = registry.create("model", model), registry.create("task", task)
    return Setting(source, *made, 0, scale, device, Options(**options))


def session_of(setting: Setting, cache: Cache, executor: Executor | None = None) -> Session:
    defender = Defender(setting, cache, quiet)
    return Session(setting, defender, Referee(defender), executor or InProcess())


def made(kind: Kind, given: str | Method) -> Any:
    return registry.create(kind, given) if isinstance(given, str) else given


def cell_of(defense: str | Method, attack: str | Method, game: str) -> PlannedCell:
    return PlannedCell(made("defense", defense), made("attack", attack), made("game", game), None)


def adversary_of(session: Session, defense: str | Method, attack: str | Method, game: str) -> Adversary:
    cell = cell_of(defense, attack, game)
    deployment = session.defender.deploy(cell.defense)
    case = make_case(session.setting, deployment, cell.game, cell.attack)
    return Adversary(session.defender, case, cell.attack, cell.game)


def view_of(adversary: Adversary) -> AdversaryView:
    """The view as the attack gets it in the engine's own process."""
    return AdversaryView(**adversary.view_fields(), port=LocalPort(adversary))
