"""A run keeps what is done, tells what is damaged, and tries again what failed."""

from dataclasses import replace

import numpy as np
import pytest

from privbench.core.errors import UserError
from privbench.core.records import content_hash
from privbench.engine import execute as execute_module
from privbench.engine import run as run_module
from privbench.engine.executors.guess import AttackFailed
from privbench.engine.executors.in_process import InProcess
from privbench.engine.plan import make_plan
from privbench.engine.run import run_plan
from privbench.store.results import load_results, result_path


class Counting(InProcess):
    """Plays here, and counts; fails where it is told to."""

    def __init__(self, fails=False):
        self.started, self.played, self.fails = 0, [], fails

    def start(self):
        self.started += 1

    def guess(self, adversary, challenge):
        self.played.append(adversary.attack.selector)
        if self.fails:
            raise AttackFailed("no luck")
        return super().guess(adversary, challenge)


@pytest.fixture(scope="module")
def plan():
    return make_plan(["pixelate"], ["window-mean", "linkage"], scale="smoke", controls=False)


@pytest.fixture(scope="module")
def done(plan, tmp_path_factory):
    """A folder with the results of the plan."""
    out = tmp_path_factory.mktemp("runs")
    executor = Counting()
    results = list(run_plan(plan, "cpu", out, executor, warn=pytest.fail))
    assert [reused for _, reused in results] == [False] * len(plan.cells)
    assert len(executor.played) == len(plan.cells)
    assert executor.started == 1
    return out


def play(plan, out, executor, warn=pytest.fail):
    return [(r.record, reused) for r, reused in run_plan(plan, "cpu", out, executor, warn=warn)]


def test_what_is_done_is_not_done_again(plan, done):
    executor = Counting()
    found = play(plan, done, executor)
    assert [reused for _, reused in found] == [True] * len(plan.cells)
    assert (executor.played, executor.started) == ([], 0)
    stored = {r.record.key: r.record for r in load_results(done)}
    assert {record.key: record for record, _ in found} == stored


def test_a_damaged_record_is_told_and_made_anew_from_the_kept_guess(plan, done):
    record = play(plan, done, Counting())[0][0]
    path = result_path(done, record.cell)
    text = path.read_text()
    path.write_text(text.replace('"ok"', '"failed"'))
    heard, executor = [], Counting()
    again, reused = play(plan, done, executor, heard.append)[0]
    assert (len(heard), reused, executor.played) == (1, False, [])
    assert "will be run again" in heard[0]
    assert again.figures == record.figures
    assert again.key == record.key


def test_another_version_of_a_metric_scores_the_kept_guess(plan, done, monkeypatch):
    before = play(plan, done, Counting())
    real = execute_module.metric_hash
    monkeypatch.setattr(
        execute_module, "metric_hash", lambda m: real(m) + ("new" if m.selector == "psnr" else "")
    )
    executor = Counting()
    after = play(plan, done, executor)
    assert executor.played == []
    for (old, _), (new, reused) in zip(before, after, strict=True):
        assert reused == ("psnr" not in old.scored)
        assert new.figures == old.figures
    monkeypatch.undo()
    play(plan, done, executor)
    assert executor.played == []


def test_failed_cells_are_tried_again(plan, tmp_path):
    plan = replace(plan, cells=plan.cells[:1])
    assert [(r.status, r.reason) for r, _ in play(plan, tmp_path, Counting(fails=True))] == [
        ("failed", "no luck")
    ]
    assert [(r.status, reused) for r, reused in play(plan, tmp_path, Counting())] == [("ok", False)]


def test_a_finished_record_is_not_overwritten_by_a_failed_one(plan, done, monkeypatch):
    path = result_path(done, play(plan, done, Counting())[0][0].cell)
    before, columns = path.read_bytes(), path.with_suffix(".safetensors").read_bytes()
    monkeypatch.setattr(run_module, "cell_key", lambda *_: "of edited code")
    heard = []
    failed = [r for r, _ in run_plan(plan, "cpu", done, Counting(fails=True), warn=heard.append, force=True)]
    assert {r.record.status for r in failed} == {"failed"}
    assert (path.read_bytes(), path.with_suffix(".safetensors").read_bytes()) == (before, columns)
    assert any(str(path) in text and "is kept" in text for text in heard)
    monkeypatch.undo()
    assert [reused for _, reused in play(plan, done, Counting())] == [True] * len(plan.cells)


def test_force_plays_every_cell_again_and_gives_the_same(plan, done):
    before, executor = play(plan, done, Counting()), Counting()
    again = [
        (r.record, reused)
        for r, reused in run_plan(plan, "cpu", done, executor, warn=pytest.fail, force=True)
    ]
    assert sorted(executor.played) == sorted(cell.attack.selector for cell in plan.cells)
    assert [reused for _, reused in again] == [False] * len(plan.cells)
    for (old, _), (new, _) in zip(before, again, strict=True):
        assert content_hash(old) == content_hash(new)


def test_unfinished_files_of_a_killed_run_are_gone_after_the_next(plan, done):
    left = [done / "records" / ".tmp-x.json", done / "cache" / "targets" / ".tmp-y.safetensors"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_text("{")
    play(plan, done, Counting())
    assert not any(path.exists() for path in left)


def test_a_folder_in_the_place_of_a_record_is_moved_aside(plan, done):
    path = result_path(done, play(plan, done, Counting())[0][0].cell)
    path.unlink()
    path.mkdir()
    (path / "mine.txt").write_text("kept")
    heard = []
    play(plan, done, Counting(), heard.append)
    assert len(heard) == 1
    assert "is a folder" in heard[0]
    assert path.is_file()
    assert (path.with_name(f"{path.name}.aside") / "mine.txt").read_text() == "kept"


def test_data_that_changed_are_read_again(tmp_path):
    file, rng = tmp_path / "mine.npz", np.random.default_rng(0)
    names = set()
    for shift in (0, 100):
        images = (rng.random((400, 16, 16)) * 100 + shift).astype(np.uint8)
        np.savez(file, images=images, labels=np.arange(400) % 2)
        again = make_plan(["pixelate"], ["window-mean"], f"npz:{file}", "mlp", scale="smoke", controls=False)
        ((record, reused),) = play(again, tmp_path / "out", Counting())
        names.add((record.cell.dataset, record.provenance.hashes["dataset"]))
        assert not reused
    assert len(names) == 2


def test_seeds_are_cells_of_their_own(plan, done):
    more = replace(plan, cells=plan.cells[:1], seeds=(0, 1))
    found = play(more, done, Counting())
    assert [(r.cell.seed, reused) for r, reused in found] == [(0, True), (1, False)]
    assert found[0][0].key != found[1][0].key


def test_what_is_about_to_run_is_announced(plan, done):
    heard = []
    list(run_plan(plan, "cpu", done, Counting(), lambda *said: heard.append(said), warn=pytest.fail))
    total = len(plan.cells)
    assert [(n, of) for n, of, _ in heard] == [(n, total) for n in range(total + 1)]
    assert heard[0][2].startswith("pixelate × ")
    assert heard[-1][2] == ""


def test_too_few_images_stop_the_run_in_a_sentence(tmp_path):
    from privbench.core.options import Options

    plan = make_plan(["pixelate"], ["window-mean"], scale="smoke", options=Options(images=50), controls=False)
    with pytest.raises(UserError, match="images"):
        play(plan, tmp_path, Counting())
