"""The artefact cache: steps that cells share, stored by the content of their inputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from privbench.core.errors import CorruptArtefact
from privbench.core.hashing import text_hash
from privbench.core.training import TrainedModel
from privbench.store.artefacts import read_tensors, write_tensors


class Cache:
    """Artefacts below one folder; a damaged one is named through ``warn`` and counts as absent."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn

    def path(self, step: str, identity: dict[str, Any]) -> Path:
        """The file of one step: its name and a hash over everything its result depends on."""
        return self.folder / step / f"{text_hash(json.dumps(identity, sort_keys=True))}.safetensors"

    def load(self, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """The artefact at ``path``, or None where there is none that can be trusted."""
        if not path.exists():
            return None
        try:
            return read_tensors(path)
        except CorruptArtefact as error:
            self._warn(f"{error}; it will be rebuilt")
            return None

    def save(self, path: Path, tensors: dict[str, torch.Tensor], note: dict[str, Any]) -> None:
        """Store tensors with a note."""
        write_tensors(path, tensors, note)

    def load_model(self, path: Path) -> TrainedModel | None:
        """A trained model from ``path``, or None."""
        found = self.load(path)
        if found is None:
            return None
        weights, note = found
        return TrainedModel(weights, tuple(note["losses"]), note["seconds"], note["guarantee"])

    def save_model(self, path: Path, trained: TrainedModel) -> None:
        """Store a trained model."""
        note = {"losses": trained.losses, "seconds": trained.seconds, "guarantee": trained.guarantee}
        write_tensors(path, trained.weights, note)
