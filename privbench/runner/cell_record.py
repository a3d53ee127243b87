"""From a planned cell to its record: the cell's name, its key, and what makes it checkable."""

from __future__ import annotations

from typing import Any

from privbench.core.errors import PrivbenchError
from privbench.core.hashing import text_hash
from privbench.core.records import PROTOCOL_VERSION, Cell, Provenance, Record
from privbench.runner.plan import PlannedCell
from privbench.runner.provenance import device_text, git_state, layer_hash, method_hash, versions
from privbench.runner.settings import Setting
from privbench.runner.stage import Stage


def cell_of(setting: Setting, planned: PlannedCell) -> Cell:
    """The cell that a planned cell is under ``setting``."""
    return Cell(
        dataset=setting.source.selector,
        model=setting.model.selector,
        defense=planned.defense.selector,
        attack=planned.attack.selector,
        game=planned.game,
        seed=setting.seed,
        scale=setting.scale,
    )


def cell_hashes(setting: Setting, planned: PlannedCell) -> dict[str, str]:
    """Hashes of the data and of all code that the cell's figures depend on."""
    identity = setting.identity()
    return {
        "data": identity["data"],
        "code": identity["code"],
        "metrics_code": layer_hash("metrics", "stats"),
        "runner_code": layer_hash("runner", "store"),
        "model_code": identity["model_code"],
        "defense_code": method_hash(planned.defense),
        "attack_code": method_hash(planned.attack),
    }


def cell_key(setting: Setting, planned: PlannedCell) -> str:
    """The record's key: a hash over the cell and everything that its figures depend on."""
    parts = [
        cell_of(setting, planned).model_dump_json(),
        str(PROTOCOL_VERSION),
        setting.device,
        setting.config.model_dump_json(),
        repr(sorted(cell_hashes(setting, planned).items())),
    ]
    return text_hash("\n".join(parts))


def make_record(stage: Stage, planned: PlannedCell, **fields: Any) -> Record:
    """The record of a cell: ``fields`` say how it went, the rest follows from stage and cell."""
    setting = stage.setting
    return Record(
        key=cell_key(setting, planned),
        cell=cell_of(setting, planned),
        threat={
            "surfaces": ", ".join(sorted(planned.attack.required_surfaces)) or "none",
            "knowledge": planned.attack.required_knowledge.label,
        },
        provenance=Provenance(
            config={
                "dataset": setting.source.model_dump(mode="json"),
                "model": setting.model.model_dump(mode="json"),
                "defense": planned.defense.model_dump(mode="json"),
                "attack": planned.attack.model_dump(mode="json"),
                "classes": stage.classes,
                "training": setting.config.model_dump(mode="json"),
            },
            seeds={"root": setting.seed}
            | {axis: stage.seed(axis) for axis in ("split", "membership", "target", "judge", "adversary")},
            hashes={**cell_hashes(setting, planned), **_data_hashes(stage)},
            versions=versions(),
            git=git_state(),
            device=device_text(setting.device),
        ),
        **fields,
    )


def _data_hashes(stage: Stage) -> dict[str, str]:
    try:
        return {"dataset": stage.setting.dataset().fingerprint, "split": stage.split.digest}
    except PrivbenchError:
        return {}
