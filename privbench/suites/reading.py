"""Finding and reading suites: shipped ones by their names, others by their paths."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from privbench.core.errors import CorruptArtefact, UserError, shortened, unknown
from privbench.core.file_names import user_path
from privbench.core.method import expected
from privbench.core.printable import one_line, printable
from privbench.core.selector import format_value
from privbench.store.files import read_bounded
from privbench.suites.places import place_of
from privbench.suites.suite_file import FigureTable, RunTable, SuiteFile

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHIPPED = Path(__file__).parent
_LARGEST = 2**22
"""Bytes of the largest file that is read."""

_TABLES: dict[str, type[RunTable | FigureTable]] = {
    "defaults": RunTable,
    "run": RunTable,
    "figure": FigureTable,
}
_FORMS = {
    "string_type": "expected text in quotes",
    "tuple_type": "expected a list: [...]",
    "model_type": "expected a table",
    "too_short": "expected one at least",
}


@dataclass(frozen=True)
class Suite:
    """A suite: its name, the file as messages name it, and what the file says."""

    name: str
    file: str
    content: SuiteFile


@cache
def shipped() -> dict[str, Path]:
    """The suites that come with privbench: name -> file, in the order of their names."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def read_suite(suite: str | Path) -> Suite:
    """The suite of that name, or in the file at that path.

    Raises:
        UserError: there is none, or its text is not TOML or not a suite; file and key are named.
    """
    named = shipped().get(suite) if isinstance(suite, str) else None
    path = named or user_path(str(suite))
    if path.suffix != ".toml":
        raise UserError(f"{unknown('suite', str(suite), shipped())} Or give the path of a .toml file.")
    file = path.name if named else str(suite)
    try:
        content = tomllib.loads(read_bounded(path, _LARGEST).decode("utf-8"))
    except RecursionError:
        raise UserError(f"{file} is not TOML: it is nested too deeply. See https://toml.io.") from None
    except ValueError as error:
        raise UserError(f"{file} is not TOML: {one_line(str(error), 300)}. See https://toml.io.") from None
    except CorruptArtefact as error:
        raise UserError(f"{error}. Give a file, or a shipped suite: {', '.join(shipped())}.") from None
    try:
        return Suite(path.stem, file, SuiteFile.model_validate(content))
    except ValidationError as error:
        raise UserError(_told(file, error)) from None


def _told(file: str, error: ValidationError) -> str:
    """What is wrong first, with file, table and key; a misspelt key comes before the missing one."""
    found = error.errors(include_url=False)
    detail = next((each for each in found if each["type"] == "extra_forbidden"), found[0])
    place, names, table = file, list(detail["loc"]), ""
    if names and names[0] in _TABLES and len(names) > 1:
        table = str(names.pop(0))
        number = names.pop(0) if table != "defaults" else None
        place = place_of(file, table, number if isinstance(number, int) else None)
    key = str(names[0]) if names else ""
    choices: dict[str, Any] = dict(_TABLES[table].model_fields if table else SuiteFile.model_fields)
    if detail["type"] == "extra_forbidden":
        return f"{place}: {unknown('key', key, choices)}"
    if detail["type"] == "missing":
        return f"{place}: {_missing(key)}"
    if not key:
        return f"{place}: {_reason(detail)}."
    if key in {"run", "figure"} and isinstance(detail["input"], dict):
        return f"{place}: [{key}] may stand several times. Write [[{key}]]."
    given = detail["input"]
    shown = shortened(
        printable(format_value(given) if isinstance(given, (bool, int, float)) else repr(given))
    )
    return f"{place}, {key}: {shown} is not valid: {_reason(detail)}."


def _missing(key: str) -> str:
    if key == "run":
        return 'nothing to run. Add [[run]] with defenses = ["..."] and attacks = ["..."].'
    return f"the key {key!r} is needed."


def _reason(detail: ErrorDetails) -> str:
    return _FORMS.get(detail["type"]) or expected(detail)
