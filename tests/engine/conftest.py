import pytest

from privbench.core import registry
from privbench.runner.plan import PlannedCell, dataset_source
from privbench.runner.settings import Setting
from privbench.runner.stage import Stage
from privbench.store.cache import Cache


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """One cache for all runner tests: models that several tests need are trained once."""
    warnings: list[str] = []
    return Cache(tmp_path_factory.mktemp("cache"), warnings.append)


@pytest.fixture(scope="session")
def stage(shared_cache):
    setting = Setting(dataset_source("mnist-5k"), registry.create("model", "cnn"), 0, "smoke", "cpu")
    return Stage(setting, shared_cache, lambda done, total, text: None)


def planned(defense: str, attack, game) -> PlannedCell:
    if isinstance(attack, str):
        attack = registry.create("attack", attack)
    return PlannedCell(registry.create("defense", defense), attack, game, None)
