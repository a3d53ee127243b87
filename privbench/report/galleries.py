"""The galleries of a run: one picture for each image-releasing defense and seed of a leaderboard."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from privbench.core.errors import CorruptArtefact
from privbench.core.threat import Game
from privbench.report.gallery import write_gallery
from privbench.report.grouping import by_board
from privbench.report.text import slug
from privbench.runner.artefacts import read_tensors
from privbench.runner.pictures import picture_folder
from privbench.runner.provenance import text_hash
from privbench.runner.results import Result


def write_galleries(results: Iterable[Result], out: Path) -> list[Path]:
    """Write the galleries of ``results``, whose pictures are kept below ``out``; return their paths.

    A defense whose pictures are gone (a cleared or damaged cache) gets no gallery.
    """
    written = []
    for board, group in by_board(results).items():
        cells: dict[tuple[str, int], list[Result]] = {}
        for result in group:
            cell = result.record.cell
            if cell.game is Game.RECONSTRUCTION and result.record.status == "ok":
                cells.setdefault((cell.defense, cell.seed), []).append(result)
        for (defense, seed), played in sorted(cells.items(), key=lambda item: item[0]):
            shown = _pictures(played, out)
            if not shown:
                continue
            first = next(iter(shown.values()))
            restored = {attack: pictures["restored"] for attack, pictures in shown.items()}
            place = f"{slug(board.dataset)}-{slug(board.model)}-{board.scale}-p{board.protocol}"
            # A later run in this folder may play other attacks, whose picture is another one.
            name = f"gallery-{place}-{slug(defense)}-seed-{seed}-{slug('+'.join(shown))}"
            title = f"{defense} on {board.dataset}\n{board.model}, scale {board.scale}, seed {seed}"
            target = out / "pictures" / f"{_short(name)}.png"
            written.append(write_gallery(target, title, first["original"], first["released"], restored))
    return written


def _short(name: str) -> str:
    """``name`` if file systems take it, else its start and a hash."""
    return name if len(name) <= 200 else f"{name[:190]}-{text_hash(name)[:8]}"


def _pictures(played: Iterable[Result], out: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The pictures that are kept of ``played``, by attack, attacks in the order of their names."""
    shown = {}
    for result in sorted(played, key=lambda r: r.record.cell.attack):
        path = picture_folder(out) / f"{result.record.key}.safetensors"
        try:
            shown[result.record.cell.attack], _ = read_tensors(path)
        except CorruptArtefact:
            continue
    return shown
