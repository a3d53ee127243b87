"""``privbench run --dry-run``: what a run would do."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from privbench.core.errors import counted
from privbench.report.terminal import terminal

if TYPE_CHECKING:
    from privbench.engine.device import DeviceName
    from privbench.engine.plan import Plan


def print_preview(plan: Plan, device: DeviceName, out: Path) -> None:
    """Print every cell, what is there already, and the seconds that attacks took before in ``out``."""
    from privbench.engine.device import resolve_device
    from privbench.engine.preview import preview

    console = terminal(soft_wrap=True)
    states: Counter[str] = Counter()
    seconds, unknown = 0.0, 0
    for each in preview(plan, resolve_device(device), out):
        states[each.state] += 1
        seconds += each.seconds or 0.0
        unknown += each.state == "to run" and each.seconds is None
        cell = each.cell
        about = f", about {each.seconds:.1f} s" if each.seconds is not None else ""
        told = f"{cell.defense} × {cell.attack}, {cell.game}, seed {cell.seed}: {each.state}{about}"
        console.print(told, markup=False)
    listed = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    console.print(f"{counted(sum(states.values()), 'cell')}: {listed}.", markup=False)
    if states["to run"]:
        known = f"about {seconds:.0f} s by earlier runs in {out}" if unknown < states["to run"] else "unknown"
        rest = f" and {counted(unknown, 'cell')} never run there" if 0 < unknown < states["to run"] else ""
        console.print(f"Time of attacks: {known}{rest}; training of targets comes on top.", markup=False)
