"""Formatting: numbers, intervals, guarantees, literal markdown. The same value always reads the same."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from privbench.core.printable import printable
from privbench.core.records import Figure
from privbench.stats.bootstrap import Interval

DASH = "—"


def number(value: float | None) -> str:
    """A figure for people: three decimals below 2, fewer above; empty for None."""
    if value is None or not math.isfinite(value):
        return ""
    digits = 3 if abs(value) < 2 else 2 if abs(value) < 100 else 0
    return f"{round(value, digits) + 0.0:.{digits}f}"


def seconds(value: float) -> str:
    """A duration, e.g. ``1.5 s``."""
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s"


def factor(value: float | None) -> str:
    """A slowdown, e.g. ``1.3×``; empty for None."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{value:.2f}×" if value < 10 else f"{value:.0f}×"


def exact(value: float | None) -> str:
    """A figure for machines: at most six decimals, so that rounding errors do not show."""
    if value is None or not math.isfinite(value):
        return ""
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")


def spread(value: Figure | Interval | None) -> str:
    """``value [low, high]``; the value alone where there is no interval."""
    if value is None or value.value is None:
        return ""
    if value.low is None or value.high is None:
        return number(value.value)
    return f"{number(value.value)} [{number(value.low)}, {number(value.high)}]"


def flat(text: str) -> str:
    """``text`` on one line, without control characters."""
    return printable(" ".join(text.split()))


def escape(text: str) -> str:
    """``text`` as literal markdown that stays within a table cell."""
    line = flat(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", line)


def code(text: str) -> str:
    """``text`` in a code span that stays within a table cell."""
    line = flat(text).replace("|", "\\|")
    ticks = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    pad = " " if "`" in line else ""
    return f"{ticks}{pad}{line}{pad}{ticks}"


def guarantee_text(guarantee: Mapping[str, float | str]) -> str:
    """``ε = 8, δ = 1e-05 per image``, or whatever else a guarantee says of itself."""
    if "epsilon" not in guarantee:
        return ", ".join(f"{name} = {value}" for name, value in sorted(guarantee.items()))
    signs = {"epsilon": "ε", "delta": "δ"}
    budget = ", ".join(
        f"{sign} = {_short(guarantee[name])}" for name, sign in signs.items() if name in guarantee
    )
    return f"{budget} per image"


def _short(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
