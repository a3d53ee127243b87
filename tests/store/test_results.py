from dataclasses import replace

import torch

from privbench.core.records import Cell, Figure, Provenance, Record
from privbench.store.results import Result, load_results, save_result, sealed


def finished() -> Result:
    cell = Cell(
        dataset="mnist-5k",
        model="cnn",
        defense="none",
        attack="lira",
        game="membership",
        seed=0,
        scale="smoke",
    )
    provenance = Provenance(config={}, seeds={}, hashes={}, versions={}, git="", device="cpu")
    columns = {
        "auc": {
            "score": torch.tensor([0.25, 0.5, 0.75, 1.0]).double(),
            "member": torch.tensor([0.0, 1, 1, 0]).double(),
        }
    }
    return Result(Record(key="k", cell=cell, status="ok", provenance=provenance), columns)


def test_what_a_killed_run_left_half_written_is_no_result(tmp_path):
    path = save_result(tmp_path, finished())
    (path.parent / ".tmp-abc.json").write_text('{"cell": {')
    (path.parent / ".tmp-def.json").write_text("")
    (found,) = load_results(tmp_path)
    assert found.record == sealed(finished()).record


def test_columns_clusters_and_index_come_back(tmp_path):
    result = replace(finished(), clusters=torch.tensor([3, 3, 7, 9]), index=torch.tensor([0, 2, 4, 5]))
    save_result(tmp_path, result)
    (found,) = load_results(tmp_path)
    assert torch.equal(found.clusters, result.clusters)
    assert torch.equal(found.index, result.index)
    assert found.columns.keys() == {"auc"}
    for name, column in result.columns["auc"].items():
        assert torch.equal(found.columns["auc"][name], column.float().double())


def test_columns_of_an_older_record_stand_under_the_names_of_its_figures(tmp_path):
    figure, hits = Figure(value=0.5, n=4), {"hit": torch.tensor([0.0, 1, 1, 0]).double()}
    record = finished().record.model_copy(update={"figures": {"attribute-mcc": figure}})
    save_result(tmp_path, Result(record, {"feature-mcc": hits}))
    (found,) = load_results(tmp_path)
    assert found.columns.keys() == {"attribute-mcc"}
    mine = finished().record.model_copy(update={"figures": {"feature-mcc": figure}})
    save_result(tmp_path, Result(mine, {"feature-mcc": hits}))
    (found,) = load_results(tmp_path)
    assert found.columns.keys() == {"feature-mcc"}, "a metric that is called so today keeps its name"


def test_a_record_under_an_older_name_counts_until_the_cell_is_run_again(tmp_path):
    path = save_result(tmp_path, finished())
    old = path.with_name("none--lira--00000000.json")
    for suffix in (".json", ".safetensors"):
        path.with_suffix(suffix).rename(old.with_suffix(suffix))
    (found,) = load_results(tmp_path)
    assert found.record == sealed(finished()).record
    again = finished().record.model_copy(update={"key": "new"})
    save_result(tmp_path, replace(finished(), record=again))
    (found,) = load_results(tmp_path)
    assert found.record.key == "new"
