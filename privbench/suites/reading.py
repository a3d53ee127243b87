"""Reading suites: from a file, or those that are shipped."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from privbench.core.errors import UserError, unknown
from privbench.core.method import expected
from privbench.core.selector import format_value
from privbench.suites.suite import Axes, PublishedFigure, Suite, SuiteRun

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_FOLDER = Path(__file__).parent
_TABLES: dict[str, tuple[str, type[BaseModel]]] = {
    "defaults": ("[defaults]", Axes),
    "run": ("[[run]]", SuiteRun),
    "figure": ("[[figure]]", PublishedFigure),
}


def shipped() -> dict[str, Path]:
    """The files of the suites that come with privbench, by their names."""
    return {path.stem: path for path in sorted(_FOLDER.glob("*.toml"))}


def read_suite(suite: str | Path) -> tuple[str, Suite]:
    """The name and the content of a shipped suite, or of a file.

    Args:
        suite: a name that ``shipped`` has, or the path of a TOML file.

    Raises:
        UserError: there is none, or a key or value does not fit; the file and the key are named.
    """
    text = str(suite)
    path = shipped().get(text) or Path(text).expanduser()
    if not path.is_file():
        if isinstance(suite, Path) or text.endswith(".toml") or "/" in text:
            raise UserError(
                f"there is no file {text!r}. Give a TOML file, or one of: {', '.join(shipped())}."
            )
        raise unknown("suite", text, shipped())
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{path}: cannot be read as TOML: {error}.") from None
    try:
        return path.stem, Suite.model_validate(content)
    except ValidationError as error:
        raise _told(error.errors(include_url=False), path) from None


def _told(details: list[ErrorDetails], path: Path) -> UserError:
    """What is wrong with the first thing that does not fit: the file, the key and what is possible."""
    # A key that may hold one text or several fails once for each.
    first = details[0]
    same = [d for d in details if _place(d)[:2] == _place(first)[:2]]
    where, key, table = _place(first)
    if first["type"] == "extra_forbidden":
        told = str(unknown(f"key {where}", key, table.model_fields))
        return UserError(f"{path}: {told}")
    if first["type"] == "missing":
        return UserError(f"{path}: {key} is needed {where}.")
    if first["type"] == "value_error":
        return UserError(f"{path}: {expected(first)}.")
    wanted = dict.fromkeys(_wanted(detail).removeprefix("expected ") for detail in same)
    return UserError(
        f"{path}: {key} = {_shown(first['input'])} {where} is not valid: expected {' or '.join(wanted)}."
    )


def _place(detail: ErrorDetails) -> tuple[str, str, type[BaseModel]]:
    """Where a finding is in the file, in words; the key; and the table that has it."""
    location = list(detail["loc"])
    name, table = ("at the top", Suite)
    if location and location[0] in _TABLES:
        written, inner = _TABLES[str(location[0])]
        number = next((part for part in location[1:2] if isinstance(part, int)), None)
        if len(location) > (1 if number is None else 2):
            told = written if number is None else f"{written} {number + 1}"
            key = str(location[1 if number is None else 2])
            return f"in {told}", key, inner
    return name, str(location[0]) if location else "", table


def _wanted(detail: ErrorDetails) -> str:
    kind = detail["type"]
    if kind in {"tuple_type", "list_type", "too_short"}:
        if detail["loc"] in {("run",), ("figure",)}:
            return f"tables under [[{detail['loc'][0]}]]"
        return "a list such as ['a', 'b']" if detail["loc"][-1] != "seeds" else "a list such as [0, 1, 2]"
    if kind == "string_type":
        return "a text"
    if kind in {"model_type", "dict_type", "model_attributes_type"}:
        return "a table"
    return expected(detail)


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else format_value(value)
