"""The galleries of a run: one picture for each defense and seed whose cells have kept pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from privbench.core.errors import CorruptArtefact
from privbench.core.file_names import short, slug
from privbench.rating.grouping import by_board
from privbench.report.figures.gallery import write_gallery
from privbench.store.pictures import kept_pictures, picture_folder
from privbench.store.results import Result


def write_galleries(results: Iterable[Result], out: Path) -> list[Path]:
    """Write the galleries of ``results``, whose pictures are kept below ``out``; return their paths.

    A defense whose pictures are gone (a cleared or damaged cache) gets no gallery.
    """
    written = []
    for board, group in by_board(results).items():
        cells: dict[tuple[str, int, str], list[Result]] = {}
        for result in group:
            cell = result.record.cell
            if result.record.status == "ok":
                cells.setdefault((cell.defense, cell.seed, cell.game), []).append(result)
        for (defense, seed, game), played in sorted(cells.items(), key=lambda item: item[0]):
            shown = _pictures(played, out)
            if not shown:
                continue
            first = next(iter(shown.values()))
            restored = {attack: pictures["restored"] for attack, pictures in shown.items()}
            which = "" if game == "reconstruction" else f"-{game}"
            # A later run in this folder may play other attacks, whose picture is another one.
            name = f"gallery-{board.file_name()}-{slug(defense)}-seed-{seed}{which}-{slug('+'.join(shown))}"
            title = f"{defense} on {board.dataset}\n{board.model}, scale {board.scale}, seed {seed}"
            target = out / "pictures" / f"{short(name)}.png"
            written.append(write_gallery(target, title, first["original"], first["released"], restored))
    return written


def _pictures(played: Iterable[Result], out: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The pictures that are kept of ``played``, by attack, attacks in the order of their names."""
    shown = {}
    for result in sorted(played, key=lambda r: r.record.cell.attack):
        try:
            shown[result.record.cell.attack] = kept_pictures(picture_folder(out), result.record.key)
        except CorruptArtefact:
            continue
    return shown
