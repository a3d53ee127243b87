"""The forms of numbers in tables: short for people, exact for machines."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping

from privbench.core.records import Figure
from privbench.report.columns.forms import Form
from privbench.report.text import DASH, exact, factor, guarantee_text, number, seconds, spread
from privbench.stats.bootstrap import Interval

LEAKAGE = ("leakage", "leakage_low", "leakage_high", "leakage_bound")
"""The CSV columns of a leakage."""


class Number(Form[float | None]):
    """A number: short for people, exact for machines."""

    def text(self, value: float | None) -> str:
        """Three decimals or fewer."""
        return number(value)

    def csv(self, value: float | None) -> list[str]:
        """Up to six decimals."""
        return [exact(value)]


class Factor(Number):
    """How many times as much, e.g. ``1.3×``."""

    def text(self, value: float | None) -> str:
        """The factor with its sign."""
        return factor(value)


class Seconds(Number):
    """A duration in seconds."""

    def text(self, value: float | None) -> str:
        """The duration with its unit."""
        return "" if value is None else seconds(value)


class Leakage(Form[Interval | None]):
    """A leakage with its interval; fills ``LEAKAGE``."""

    def text(self, value: Interval | None) -> str:
        """``value [low, high]``."""
        return spread(value)

    def console(self, value: Interval | None, *, roomy: bool) -> str:
        """With the interval where there is room."""
        return (spread(value) if roomy else number(value.value if value else None)) or DASH

    def heading(self, text: str, *, roomy: bool) -> str:
        """Says where the interval is shown."""
        return f"{text} [95%]" if roomy else text

    def markdown(self, value: Interval | None) -> str:
        """With the interval, whose brackets are no link."""
        return self.text(value) or DASH

    def csv(self, value: Interval | None) -> list[str]:
        """Value, low, high, bound."""
        if value is None:
            return [""] * len(LEAKAGE)
        return [exact(v) for v in (value.value, value.low, value.high, value.bound)]


class Measured(Form[Figure | None]):
    """A figure with its interval; fills mean, low, high."""

    def text(self, value: Figure | None) -> str:
        """``value [low, high]``."""
        return spread(value)

    def heading(self, text: str, *, roomy: bool) -> str:
        """Says what the brackets are."""
        return f"{text} [95%]"

    def markdown(self, value: Figure | None) -> str:
        """With the interval, whose brackets are no link."""
        return self.text(value) or DASH

    def csv(self, value: Figure | None) -> list[str]:
        """Mean, low, high."""
        return [exact(value.value), exact(value.low), exact(value.high)] if value else ["", "", ""]


class Brief(Measured):
    """A figure of lesser rank: on the console without its interval, and nothing where it is unknown."""

    def console(self, value: Figure | None, *, roomy: bool) -> str:
        """The value alone."""
        return number(value.value) if value else ""

    def heading(self, text: str, *, roomy: bool) -> str:
        """In lines as narrow as the figures below."""
        return textwrap.fill(text, 9, break_long_words=False)


class Guarantee(Form[Mapping[str, "float | str"]]):
    """A proof of privacy; fills epsilon, delta, and all of it as JSON."""

    def text(self, value: Mapping[str, float | str]) -> str:
        """``ε = 8, δ = 1e-05 per image``."""
        return guarantee_text(value)

    def console(self, value: Mapping[str, float | str], *, roomy: bool) -> str:
        """Only where there is room, so that the column goes where it is empty."""
        return self.text(value) if roomy else ""

    def csv(self, value: Mapping[str, float | str]) -> list[str]:
        """Epsilon and delta as they were recorded, and the whole."""
        parts = ["" if (v := value.get(name)) is None else str(v) for name in ("epsilon", "delta")]
        return [*parts, json.dumps(dict(value), sort_keys=True) if value else ""]


class Queries(Form[Mapping[str, float]]):
    """How many images were sent to each oracle."""

    def text(self, value: Mapping[str, float]) -> str:
        """``scores 100, protect 20``."""
        return ", ".join(f"{oracle} {count:.0f}" for oracle, count in value.items()) or "0"

    def csv(self, value: Mapping[str, float]) -> list[str]:
        """With semicolons between, averages over seeds as they are."""
        return ["; ".join(f"{oracle} {exact(count)}" for oracle, count in value.items())]
