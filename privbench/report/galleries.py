"""The galleries of a run: one picture for each image-releasing defense, dataset and seed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from privbench.core.errors import CorruptArtefact
from privbench.core.threat import Game
from privbench.report.gallery import write_gallery
from privbench.report.text import slug
from privbench.runner.artefacts import read_tensors
from privbench.runner.pictures import picture_folder
from privbench.runner.results import Result


def write_galleries(results: Iterable[Result], out: Path) -> list[Path]:
    """Write the galleries of ``results``, whose pictures are kept below ``out``; return their paths.

    A defense whose pictures are gone (a cleared or damaged cache) gets no gallery.
    """
    cells: dict[tuple[str, str, int], list[Result]] = {}
    for result in results:
        cell = result.record.cell
        if cell.game is Game.RECONSTRUCTION and result.record.status == "ok":
            cells.setdefault((cell.dataset, cell.defense, cell.seed), []).append(result)
    written = []
    for (dataset, defense, seed), played in sorted(cells.items(), key=lambda item: item[0]):
        shown = {}
        for result in played:
            path = picture_folder(out) / f"{result.record.key}.safetensors"
            try:
                shown[result.record.cell.attack], _ = read_tensors(path)
            except CorruptArtefact:
                continue
        if not shown:
            continue
        first = next(iter(shown.values()))
        target = out / "pictures" / f"{slug(dataset)}--{slug(defense)}--seed-{seed}.png"
        restored = {attack: pictures["restored"] for attack, pictures in sorted(shown.items())}
        title = f"{defense} on {dataset}, seed {seed}"
        written.append(write_gallery(target, title, first["original"], first["released"], restored))
    return written
