import torch

from privbench.core.records import Cell, Provenance, Record
from privbench.store.results import Result, load_results, save_result


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
    columns = {"auc": {"score": torch.rand(4).double(), "member": torch.tensor([0.0, 1, 1, 0]).double()}}
    return Result(Record(key="k", cell=cell, status="ok", provenance=provenance), columns)


def test_what_a_killed_run_left_half_written_is_no_result(tmp_path):
    path = save_result(tmp_path, finished())
    (path.parent / ".tmp-abc.json").write_text('{"cell": {')
    (path.parent / ".tmp-def.json").write_text("")
    (found,) = load_results(tmp_path)
    assert found.record == finished().record
