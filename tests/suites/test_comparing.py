"""Published figures beside ours: what stands there, and what is said where nothing does."""

import csv
import io

import pytest
from factory import controls, defended, psnr_columns, result

from privbench.core.records import PROTOCOL_VERSION, Figure
from privbench.rating.cells import Pairing
from privbench.rating.grouping import BoardKey
from privbench.report.results import Results
from privbench.suites.comparing import compare, in_unit
from privbench.suites.page import suite_csv
from privbench.suites.planning import Target
from privbench.suites.suite_file import FigureTable

BOARD = BoardKey("toy", "cnn", "small", PROTOCOL_VERSION)


def psnr(defense, attack="restoration", value=20.0, board=BOARD):
    figure = FigureTable(
        defense=defense,
        attack=attack,
        game="reconstruction",
        metric="psnr",
        value=value,
        unit="dB",
        source="S",
    )
    return figure, Target(board, Pairing("reconstruction", defense, attack), "figures", "psnr", "dB")


def whole(defense, part, metric, unit="", value=None, note=""):
    figure = FigureTable(
        defense=defense, metric=f"{part}:{metric}", unit=unit, value=value, source="S", note=note
    )
    return figure, Target(BOARD, Pairing("", defense, ""), part, metric, "")


@pytest.fixture(scope="module")
def results():
    found = [*controls(0), *controls(1), *defended("vim", 26, seed=0), *defended("vim", 28, seed=1)]
    found.append(result("dp-sgd", "restoration", status="not-applicable", reason="exposes no images"))
    found.append(result("blur", "restoration", status="failed", reason="boom"))
    found.append(result("noise", "restoration", psnr_columns(20), seed=0))
    found.append(result("noise", "restoration", status="failed", reason="bang", seed=1))
    return Results(found)


def one(figure, results):
    (found,) = compare([figure], results)
    return found


def test_a_figure_of_a_guess_is_the_mean_over_seeds(results):
    found = one(psnr("vim"), results)
    assert (found.status, found.seeds, found.reason) == ("ok", (0, 1), "")
    assert found.ours.value == pytest.approx(27)
    assert found.ours.low < 27 < found.ours.high
    assert found.difference == pytest.approx(7)


def test_a_share_is_told_in_percent(results):
    found = one(whole("vim", "utility", "accuracy", "%", 91.5), results)
    assert found.ours.value == pytest.approx(90)
    assert 85 < found.ours.low < 90 < found.ours.high < 95
    assert found.difference == pytest.approx(-1.5)
    assert in_unit(Figure(value=0.5), "%") == Figure(value=50)
    assert in_unit(Figure(value=0.5), "") == Figure(value=0.5)


@pytest.mark.parametrize(
    ("figure", "status", "reason"),
    [
        (psnr("vim[window=7]"), "not run", ""),
        (psnr("vim", attack="lira"), "not run", ""),
        (psnr("vim", board=BOARD._replace(options="epochs=2")), "not run", ""),
        (psnr("dp-sgd"), "not applicable", "exposes no images"),
        (psnr("blur"), "failed", "boom"),
        (whole("blur", "utility", "accuracy"), "failed", "boom"),
        (whole("vim", "utility", "map"), "not measured", ""),
        (whole("vim", "release", "vfe"), "not measured", ""),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_where_there_is_none_it_says_why(results, figure, status, reason):
    found = one(figure, results)
    assert (found.status, found.reason, found.ours, found.difference) == (status, reason, None, None)


def test_a_seed_that_failed_is_told_beside_the_others(results):
    found = one(psnr("noise"), results)
    assert (found.status, found.seeds, found.reason) == ("ok", (0,), "seeds 1: bang")


def test_the_table_for_machines_tells_all_of_it(results):
    note = "an erratum, with | and, commas"
    figures = [psnr("vim"), psnr("blur"), whole("vim", "utility", "accuracy", "%", note=note)]
    first, second, third = csv.DictReader(io.StringIO(suite_csv(compare(figures, results))))
    assert (first["metric"], first["unit"], first["published"], first["seeds"]) == ("psnr", "dB", "20", "0 1")
    assert float(first["ours"]) - 20 == pytest.approx(float(first["difference"]))
    assert (second["ours"], second["status"], second["reason"]) == ("", "failed", "boom")
    assert (third["published"], third["difference"], third["note"]) == ("", "", note)
