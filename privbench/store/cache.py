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
from privbench.store.files import set_aside

_STEP = "step"


class Cache:
    """Artefacts below one folder, each with the identity of its step.

    One that is damaged, or of another step than its name says, is told through ``warn`` and counts as
    absent.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None], *, fresh: bool = False) -> None:
        """Take ``folder``; ``fresh``: what earlier runs left there counts as absent."""
        self.folder = folder
        self._warn = warn
        self._fresh = fresh
        self._made: set[Path] = set()

    def path(self, step: str, identity: dict[str, Any]) -> Path:
        """The file of one step: its name and a hash over everything its result depends on."""
        return self.folder / step / f"{text_hash(json.dumps(identity, sort_keys=True))}.safetensors"

    def has(self, path: Path) -> bool:
        """Whether there is an artefact at ``path``; whether it can be trusted is seen when it is read."""
        return path.is_file() and (not self._fresh or path in self._made)

    def load(self, path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """The artefact at ``path``, or None where there is none that can be trusted."""
        if not path.exists() or (self._fresh and path not in self._made):
            return None
        try:
            tensors, note = read_tensors(path)
            if note.pop(_STEP, None) != _step(path):
                raise CorruptArtefact(f"{path} is the result of another step than its name says")
        except CorruptArtefact as error:
            self.refuse(path, str(error))
            return None
        return tensors, note

    def refuse(self, path: Path, why: str) -> None:
        """Tell that the artefact at ``path`` is not what it should be, and make way for another."""
        self._warn(f"{why}; it will be rebuilt")
        set_aside(path)

    def save(self, path: Path, tensors: dict[str, torch.Tensor], note: dict[str, Any]) -> None:
        """Store tensors with a note."""
        write_tensors(path, tensors, {**note, _STEP: _step(path)})
        self._made.add(path)

    def load_model(self, path: Path) -> TrainedModel | None:
        """A trained model from ``path``, or None."""
        found = self.load(path)
        if found is None:
            return None
        weights, note = found
        try:
            warned = tuple(note.get("warnings", ()))
            return TrainedModel(weights, tuple(note["losses"]), note["seconds"], note["guarantee"], warned)
        except (KeyError, TypeError):
            self.refuse(path, f"{path} is no trained model")
            return None

    def save_model(self, path: Path, trained: TrainedModel) -> None:
        """Store a trained model."""
        note = {"losses": trained.losses, "seconds": trained.seconds, "guarantee": trained.guarantee}
        self.save(path, trained.weights, {**note, "warnings": trained.warnings})


def _step(path: Path) -> str:
    """The identity of the step whose result belongs at ``path``."""
    return f"{path.parent.name}/{path.stem}"
