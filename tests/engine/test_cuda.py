"""The same cells on CUDA: they run, and what needs no training gives the CPU's figures."""

import pytest
from sessions import cell_of, session_of, setting_of

from privbench.core import registry
from privbench.core.controls import FLOOR
from privbench.core.threat import why_not
from privbench.engine.execute import execute

pytestmark = pytest.mark.cuda

CELLS = [
    (name, game)
    for name in registry.names("attack")
    for game in sorted(registry.create("attack", name).plays)
]


@pytest.fixture(scope="module")
def there(shared_cache):
    return session_of(setting_of(device="cuda"), shared_cache)


@pytest.mark.parametrize("defense", ["none", "vim", "dp-sgd", "plain-encoder", "fedavg"])
@pytest.mark.parametrize(("attack", "game"), CELLS)
def test_every_cell_runs_on_cuda(there, defense, attack, game):
    cell = cell_of(defense, attack, game)
    reason = why_not(
        game,
        cell.game.played_on,
        cell.attack.required_surfaces,
        cell.attack.required_knowledge,
        cell.defense.exposes,
        cell.defense.reuses_key,
    )
    if reason is not None:
        pytest.skip(reason)
    record = execute(there, cell).record
    assert record.status == "ok", record.reason
    assert record.utility["accuracy"].value > 0.5


@pytest.mark.parametrize(("attack", "game"), [cell for cell in CELLS if cell[0] != FLOOR])
def test_isolated_attacks_see_the_gpu(there, isolated, attack, game):
    here = execute(there, cell_of("none", attack, game)).record
    session = session_of(setting_of(device="cuda"), there.defender.cache, isolated)
    away = execute(session, cell_of("none", attack, game)).record
    assert (here.status, away.status) == ("ok", "ok"), away.reason
    assert here.queries == away.queries


@pytest.mark.parametrize("defense", ["vim", "vim[window=adaptive]", "noise", "blur", "pixelate"])
def test_the_analytic_attack_gives_the_same_figures(session, there, defense):
    cell = cell_of(defense, "window-mean", "reconstruction")
    at_home, on_gpu = (execute(each, cell).record.figures for each in (session, there))
    for name in ("ssim", "psnr"):
        assert on_gpu[name].value == pytest.approx(at_home[name].value, abs=1e-3)
