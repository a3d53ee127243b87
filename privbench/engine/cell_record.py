"""From a planned cell to its record: the cell's name, and what makes it checkable."""

from __future__ import annotations

from typing import Any

from privbench.core.errors import PrivbenchError
from privbench.core.records import Cell, Provenance, Record
from privbench.core.surface import implied
from privbench.core.threat import described
from privbench.engine import seeds
from privbench.engine.keys import cell_key, code_of, guess_methods, libraries_of
from privbench.engine.plan import PlannedCell
from privbench.engine.provenance import device_text, git_state, instructions, versions
from privbench.engine.setting import Setting, content_hash, dataset_label


def cell_of(setting: Setting, planned: PlannedCell) -> Cell:
    """The cell that a planned cell is under ``setting``."""
    return Cell(
        dataset=dataset_label(setting.source),
        model=setting.model.selector,
        task=setting.task.selector,
        defense=planned.defense.selector,
        attack=planned.attack.selector,
        game=planned.game.selector,
        seed=setting.seed,
        scale=setting.scale,
        options=str(setting.options),
    )


def make_record(setting: Setting, planned: PlannedCell, **fields: Any) -> Record:
    """The record of a cell: ``fields`` say how it went, the rest follows from setting and cell."""
    cell, attack = cell_of(setting, planned), planned.attack
    methods = guess_methods(setting, planned)
    parts = [method for method in methods if method.kind != "surface"]
    return Record(
        key=cell_key(setting, planned),
        cell=cell,
        threat={
            "surfaces": ", ".join(sorted(attack.required_surfaces)) or "none",
            "knowledge": described(attack.required_knowledge | implied(attack.required_surfaces)),
        },
        exposes=tuple(sorted(planned.defense.exposes)),
        provenance=Provenance(
            config={
                **{
                    method.kind: method.model_dump(mode="json")
                    for method in methods
                    if method.kind != "surface"
                },
                "classes": _outputs(setting),
                "training": setting.config.model_dump(mode="json"),
                "options": setting.options.model_dump(mode="json", exclude_none=True),
                "reading": _reading(setting),
            },
            seeds={**seeds.used(setting.seed, cell.game, cell.attack), **_split_seeds(setting)},
            hashes={
                "data": content_hash(setting.source),
                **{f"{method.kind}_code": code_of(method) for method in parts},
                **_data_hashes(setting),
            },
            versions={**versions(), **libraries_of(*methods)},
            git=git_state(),
            device=device_text(setting.device),
            instructions=instructions(),
        ),
        **fields,
    )


def _outputs(setting: Setting) -> int | None:
    try:
        return setting.outputs
    except PrivbenchError:
        return None


def _split_seeds(setting: Setting) -> dict[str, int]:
    try:
        return setting.parts.seeds
    except PrivbenchError:
        return {}


def _reading(setting: Setting) -> dict[str, list[str]]:
    """What the dataset read, what the split left out, and what of it changes figures, in sentences."""
    try:
        dataset = setting.dataset()
        notes, warnings = [*dataset.notes, *setting.parts.notes], dataset.warnings
    except PrivbenchError:
        return {}
    return {"notes": notes, "warnings": list(warnings)}


def _data_hashes(setting: Setting) -> dict[str, str]:
    try:
        return {"dataset": setting.dataset().fingerprint, "split": setting.parts.digest}
    except PrivbenchError:
        return {}
