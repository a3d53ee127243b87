import json

import pytest

from privbench.core.errors import CorruptArtefact
from privbench.core.records import Cell, Figure, Provenance, Record, dump_record, load_record
from privbench.core.threat import Game


def record() -> Record:
    return Record(
        key="k",
        cell=Cell(
            dataset="d", model="m", defense="x", attack="a", game=Game.MEMBERSHIP, seed=0, scale="small"
        ),
        status="ok",
        figures={"auc": Figure(value=0.1 + 0.2, low=0.25, high=0.35, n=10)},
        provenance=Provenance(config={}, seeds={}, hashes={}, versions={}, git="", device="cpu"),
    )


def test_records_round_trip():
    assert load_record(dump_record(record()), "r") == record()


def test_a_changed_figure_is_detected():
    text = dump_record(record()).replace("0.25", "0.26")
    with pytest.raises(CorruptArtefact, match="checksum"):
        load_record(text, "r")


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "{", '{"checksum": "x"}'])
def test_damaged_records_are_named(text):
    with pytest.raises(CorruptArtefact, match="some-name"):
        load_record(text, "some-name")


def test_other_versions_are_refused():
    body = json.loads(dump_record(record()))
    body["record_version"] = 99
    with pytest.raises(CorruptArtefact, match="99"):
        load_record(json.dumps(body), "r")


def test_truncation_is_detected():
    text = dump_record(record())
    with pytest.raises(CorruptArtefact):
        load_record(text[: len(text) // 2], "r")
