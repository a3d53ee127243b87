"""The committed leaderboards are what their committed records say."""

from pathlib import Path

import pytest

from privbench.core import registry
from privbench.core.records import RECORD_VERSION
from privbench.core.selector import parse_selector
from privbench.report.leaderboard import write_leaderboards
from privbench.store.results import load_results

BOARDS = Path(__file__).parent.parent / "leaderboards"


@pytest.fixture(scope="module")
def results():
    return load_results(BOARDS)


def test_every_record_is_whole_and_finished(results):
    assert results
    assert {r.record.status for r in results} <= {"ok", "not-applicable"}


def test_every_cell_has_three_seeds(results):
    seeds: dict[tuple[str, ...], set[int]] = {}
    for result in results:
        cell = result.record.cell
        seeds.setdefault((cell.dataset, cell.defense, cell.attack, cell.game), set()).add(cell.seed)
    assert {cell for cell, found in seeds.items() if len(found) < 3} == set()


def test_columns_stand_under_the_names_of_their_figures(results):
    for result in results:
        computed = {name for name, figure in result.record.figures.items() if figure.n}
        assert set(result.columns) == computed


def test_records_of_older_versions_are_read_as_todays(results):
    assert {r.record.record_version for r in results} == {RECORD_VERSION}
    assert {r.record.cell.game for r in results} <= set(registry.names("game"))
    metrics = set(registry.names("metric"))
    assert {parse_selector(name).name for r in results for name in r.record.figures} <= metrics


@pytest.mark.slow
def test_the_records_give_the_same_tables_again(results, tmp_path):
    # Pictures are left out: their bytes depend on the version of matplotlib.
    write_leaderboards(results, tmp_path)
    for path in tmp_path.iterdir():
        if path.suffix in {".md", ".csv"}:
            assert path.read_bytes() == (BOARDS / path.name).read_bytes(), path.name
