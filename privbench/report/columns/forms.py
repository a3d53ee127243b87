"""The forms of values in tables, for people (console, markdown) and machines (CSV): the base, and words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from privbench.report.text import DASH, code, escape

Value = TypeVar("Value")


class Form(ABC, Generic[Value]):
    """How a value is written; a value without text is a dash for people and empty for machines."""

    @abstractmethod
    def text(self, value: Value) -> str:
        """The value for people, not escaped; empty where there is none."""

    def console(self, value: Value, *, roomy: bool) -> str:
        """The value on the console, shorter where that is not ``roomy``."""
        return self.text(value) or DASH

    def heading(self, text: str, *, roomy: bool) -> str:
        """The column's heading on the console."""
        return text

    def markdown(self, value: Value) -> str:
        """The value as a cell of a markdown table."""
        return escape(self.text(value)) or DASH

    def csv(self, value: Value) -> list[str]:
        """The value as the fields of its CSV columns."""
        return [self.text(value)]


class Words(Form[str]):
    """Text as it is."""

    def text(self, value: str) -> str:
        """The text."""
        return value


class Listed(Form[Sequence[str]]):
    """Texts in a row; nothing where there are none."""

    def text(self, value: Sequence[str]) -> str:
        """The texts, with semicolons between."""
        return "; ".join(value)

    def markdown(self, value: Sequence[str]) -> str:
        """The texts; empty, not a dash, where there are none."""
        return escape(self.text(value))


class Selector(Words):
    """A method's selector."""

    def markdown(self, value: str) -> str:
        """The selector as code."""
        return code(value)


class YesNo(Form[bool | None]):
    """``yes`` or ``no``; empty for None."""

    def text(self, value: bool | None) -> str:
        """The word."""
        return "" if value is None else "yes" if value else "no"


class Seeds(Form[Sequence[int]]):
    """Seeds, with spaces between, so that a spreadsheet does not take them for a number."""

    def text(self, value: Sequence[int]) -> str:
        """The seeds."""
        return " ".join(map(str, value))
