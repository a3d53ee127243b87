"""ROC curves on logarithmic axes, where low false positive rates are seen."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from privbench.core.controls import is_floor
from privbench.core.file_names import slug
from privbench.rating.grouping import by_board
from privbench.report.figures.png import write_png
from privbench.store.artefacts import tensors_hash
from privbench.store.results import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_METRIC = "auc"
_CODE = ("report/figures/roc.py", "metrics/_roc.py")


def write_roc(results: Iterable[Result], folder: Path) -> list[Path]:
    """Write ``roc-BOARD-DEFENSE.png`` for each defense, the game's name at its end; return the files.

    Every game whose results hold the columns of an AUC has curves; ``membership`` is not named.

    Curves pool the candidates of all seeds, each seed with its own threshold, as the mean true
    positive rate at each false positive rate. They are drawn from one false positive upwards.
    """
    written = []
    for key, group in by_board(results).items():
        found: dict[tuple[str, str], dict[str, list[Result]]] = {}
        for result in group:
            cell = result.record.cell
            if _METRIC in result.columns and not is_floor(cell.attack):
                found.setdefault((cell.defense, cell.game), {}).setdefault(cell.attack, []).append(result)
        for (defense, game), attacks in sorted(found.items()):
            which = "" if game == "membership" else f"-{game}"
            path = folder / f"roc-{key.file_name()}-{slug(defense)}{which}.png"
            title = f"{defense} on {key.dataset}"
            written.append(write_png(path, _shown(title, attacks), partial(_draw, title, attacks), _CODE))
    return written


def mean_curve(results: Iterable[Result], grid: torch.Tensor) -> torch.Tensor:
    """The mean over ``results`` of the true positive rate at each false positive rate of ``grid`` [G]."""
    from privbench.metrics._roc import roc

    rates = []
    for result in results:
        columns = result.columns[_METRIC]
        weights = torch.ones(1, len(columns["score"]), dtype=torch.float64)
        true_positive, false_positive = (rate[0] for rate in roc(columns, weights))
        reached = torch.searchsorted(false_positive, grid * (1 + 1e-9), right=True) - 1
        rates.append(true_positive[reached])
    return torch.stack(rates).mean(dim=0)


def _shown(title: str, attacks: dict[str, list[Result]]) -> str:
    columns = {
        attack: [tensors_hash(result.columns[_METRIC]) for result in found]
        for attack, found in sorted(attacks.items())
    }
    return repr((title, columns))


def _draw(title: str, attacks: dict[str, list[Result]]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 4.2))
    axes = figure.subplots()
    others = [int((1 - r.columns[_METRIC]["member"]).sum()) for found in attacks.values() for r in found]
    least = 1 / max(others)
    grid = torch.logspace(torch.tensor(least).log10().item(), 0, 200, dtype=torch.float64).clamp(max=1)
    for attack, found in sorted(attacks.items()):
        axes.plot(grid.numpy(), mean_curve(found, grid).clamp(min=least).numpy(), linewidth=1.4, label=attack)
    axes.plot(grid.numpy(), grid.numpy(), color="0.6", linestyle="--", linewidth=1, label="chance")
    axes.set(xscale="log", yscale="log", xlim=(least, 1), ylim=(least, 1.05))
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title=title)
    axes.grid(color="0.9", linewidth=0.6)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=8)
    return figure
