"""A suite runs into one folder, shares equal cells, goes on where it stopped, and leaves a page."""

import csv

import pytest
import torch

import privbench
from privbench.core.errors import UserError
from privbench.suites import running
from privbench.suites.running import run_suite

MINE = """
title = "Mine | <b>"
description = "Two runs that share their cells."

[defaults]
scale = "smoke"
controls = false
defenses = ["pixelate"]
attacks = ["window-mean"]
threads = 1

[[run]]

[[run]]
attacks = ["window-mean", "confidence"]

[[figure]]
defense = "pixelate"
attack = "window-mean"
game = "reconstruction"
metric = "ssim"
value = 0.5
source = "Table | I"
setting = "MNIST"
note = "An *erratum*."

[[figure]]
defense = "pixelate"
metric = "utility:accuracy"
unit = "%"
source = "Fig. 2"

[[figure]]
defense = "blur"
metric = "utility:accuracy"
value = 99.5
unit = "%"
source = "Table I"
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    out = tmp_path_factory.mktemp("mine")
    path = out / "Mine.toml"
    path.write_text(MINE)
    reused = []
    results = run_suite(
        path, out=out / "runs", device="cpu", done=lambda _, was_there: reused.append(was_there)
    )
    return path, out / "runs", results, reused


def test_cells_that_runs_share_are_played_once(mine):
    _, _, results, reused = mine
    assert reused == [False, True, False]
    assert [r.cell.attack for r in results.records] == ["window-mean", "confidence"]
    assert {r.status for r in results.records} == {"ok"}


def page(out):
    (path,) = (out / "suites").glob("*.md")
    return path.read_text()


def test_the_page_sets_published_figures_beside_ours(mine):
    _, out, results, _ = mine
    text = page(out)
    assert text.startswith("# Mine \\| &lt;b&gt;\n\nTwo runs that share their cells.\n")
    (rows,) = [block for block in text.split("\n\n") if "| Published |" in block]
    _, _, first, second, third = rows.splitlines()
    ssim = results[0].record.figures["ssim"]
    assert f"{ssim.value:.3f} [{ssim.low:.3f}, {ssim.high:.3f}]" in first
    assert f"{ssim.value - 0.5:+.3f}" in first
    assert "| Table \\| I | MNIST |" in first
    assert "not printed" in second
    assert f"{100 * results[0].record.utility['accuracy'].value:.2f} [" in second
    assert "| utility:accuracy, % |" in second
    assert "not run" in third
    assert "1. An \\*erratum\\*." in text
    assert "1 finished |" in text
    assert "2 finished |" in text


def test_the_table_for_machines_stands_beside_it(mine):
    _, out, results, _ = mine
    (path,) = (out / "suites").glob("*.csv")
    first, _, third = csv.DictReader(path.open())
    assert float(first["ours"]) == pytest.approx(results[0].record.figures["ssim"].value, abs=1e-6)
    assert third["status"] == "not run"


def test_again_it_plays_nothing_and_writes_the_same_bytes(mine):
    path, out, _, _ = mine
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    reused = []
    run_suite(str(path), out=str(out), device="cpu", done=lambda _, was_there: reused.append(was_there))
    assert reused == [True, True, True]
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_progress_counts_over_all_runs(smoke):
    _, results, heard, reused = smoke
    assert len(results) == len(reused)
    assert [told[0] for told in heard] == list(range(len(results) + 1))
    assert {told[1] for told in heard} == {len(results)}
    assert [told[2] for told in heard].index("") == len(results)


def test_the_shipped_smoke_suite_finishes_with_boards(smoke):
    out, results, _, _ = smoke
    assert {r.status for r in results.records} == {"ok"}
    assert {r.cell.options for r in results.records} == {"", "optimizer=st-adam"}
    index = (out / "leaderboards" / "README.md").read_text()
    assert "| `cnn`, `optimizer=st-adam` |" in index
    assert "[leaderboards](../leaderboards/README.md)" in page(out)
    assert "Published" not in page(out)


def test_threads_are_set_for_the_run_and_restored(mine, monkeypatch):
    path, out, *_ = mine
    before = torch.get_num_threads()
    seen = []

    def failing(*_, **__):
        seen.append(torch.get_num_threads())
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "execute", failing)
    try:
        torch.set_num_threads(2)
        with pytest.raises(KeyboardInterrupt):
            run_suite(path, out=out)
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_a_bad_run_is_refused_before_the_first_is_played(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(f"{MINE}\n[[run]]\nmodel = 'resnt'\n")
    with pytest.raises(UserError, match="'resnet'"):
        privbench.reproduce(path, out=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_seeds_and_scale_are_told_where_they_differ_from_the_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(MINE.replace('scale = "smoke"', 'scale = "small"'))
    results = privbench.reproduce(path, out=tmp_path / "runs", device="cpu", scale="smoke", seeds=[1])
    assert {(r.cell.scale, r.cell.seed) for r in results.records} == {("smoke", 1)}
    assert "scale smoke (the suite itself asks for small)." in page(tmp_path / "runs")
