import json

import pytest

from privbench.core.errors import CorruptArtefact
from privbench.core.records import Cell, Figure, Provenance, Record, _digest, dump_record, load_record


def record() -> Record:
    return Record(
        key="k",
        cell=Cell(dataset="d", model="m", defense="x", attack="a", game="membership", seed=0, scale="small"),
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


def version_1(**changes):
    """The text of a record as version 1 wrote it."""
    body = json.loads(dump_record(record()))
    del body["checksum"], body["scored"], body["cell"]["task"], body["cell"]["options"]
    body |= {"record_version": 1, **changes}
    return json.dumps({**body, "checksum": _digest(body)})


def test_records_of_version_1_are_read_as_they_were():
    found = load_record(version_1(), "old")
    assert found == record()
    assert (found.cell.task, found.cell.options, found.scored) == ("classes", "", {})


def test_the_game_that_was_called_feature_is_attribute():
    old = json.loads(version_1())
    figure = old["figures"]["auc"]
    found = load_record(
        version_1(
            cell={**old["cell"], "game": "feature"},
            figures={"feature-mcc": figure, "feature-accuracy": figure},
            flags=["unresolved: feature-mcc", "constant-guess", "still-improving: loss-feature-mcc"],
        ),
        "old",
    )
    assert found.cell.game == "attribute"
    assert set(found.figures) == {"attribute-mcc", "attribute-accuracy"}
    # Curves are named by their attributes, which are no metrics.
    assert found.flags == ("unresolved: attribute-mcc", "constant-guess", "still-improving: loss-feature-mcc")
    assert load_record(dump_record(found), "new") == found


def test_a_changed_record_of_version_1_is_detected():
    with pytest.raises(CorruptArtefact, match="checksum"):
        load_record(version_1().replace("0.25", "0.26"), "old")
