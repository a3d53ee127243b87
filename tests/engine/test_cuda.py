"""The same cells on CUDA: they run, and what needs no training gives the CPU's figures."""

import pytest

from privbench.core import registry
from privbench.core.threat import Game
from privbench.runner.execute import execute
from privbench.runner.plan import PlannedCell
from privbench.runner.settings import Setting
from privbench.runner.stage import Stage

pytestmark = pytest.mark.cuda

CELLS = [
    (name, game) for name in registry.names("attack") for game in sorted(registry.find("attack", name).games)
]


@pytest.fixture(scope="module")
def cuda_stage(stage, shared_cache):
    setting = Setting(stage.setting.source, stage.setting.model, 0, "smoke", "cuda")
    return Stage(setting, shared_cache, lambda done, total, text: None)


@pytest.mark.parametrize("defense", ["none", "vim", "dp-sgd"])
@pytest.mark.parametrize(("attack", "game"), CELLS)
def test_every_cell_runs_on_cuda(cuda_stage, defense, attack, game):
    if defense == "dp-sgd" and game is not Game.MEMBERSHIP:
        pytest.skip("releases no images")
    cell = PlannedCell(registry.create("defense", defense), registry.create("attack", attack), game, None)
    record = execute(cuda_stage, cell).record
    assert record.status == "ok", record.reason
    assert record.utility["accuracy"].value > 0.5


@pytest.mark.parametrize("defense", ["vim", "vim[window=adaptive]", "noise", "blur", "pixelate"])
def test_the_analytic_attack_gives_the_same_figures(stage, cuda_stage, defense):
    cell = PlannedCell(
        registry.create("defense", defense),
        registry.create("attack", "window-mean"),
        Game.RECONSTRUCTION,
        None,
    )
    here, there = (execute(s, cell).record.figures for s in (stage, cuda_stage))
    for name in ("ssim", "psnr"):
        assert there[name].value == pytest.approx(here[name].value, abs=1e-3)
