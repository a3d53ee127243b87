"""``labels.csv``: what is known of the images of a folder, a row each."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from privbench.core.errors import DataError, unknown

NAME = "labels.csv"
_FILE = ("file", "filename", "file_name", "image", "path")
_CLASS = ("class", "label", "class_name")
_IDENTITY = ("identity", "identities", "person", "subject")
_BINARY = (("0", "1"), ("false", "true"), ("no", "yes"), ("-1", "1"))
_INNER = ("", "images")
"""Where below the folder files are looked for."""


@dataclass(frozen=True)
class Table:
    """What a table says of N images.

    Attributes:
        files: of the images, in the order of the rows.
        labels: N classes by name, or empty where the table has none.
        identities: N people by name, or empty.
        attributes: attribute -> N values, 0 or 1.
        left: columns that are neither, and why.
    """

    files: list[Path]
    labels: list[str]
    identities: list[str]
    attributes: dict[str, list[int]]
    left: list[str]


def read_table(root: Path, task: str) -> Table:
    """Read ``root/labels.csv``: a header, then a row for each image.

    Columns: ``file``; ``class`` (or the one that ``task`` names); ``identity``; of the others, those
    that say 0 or 1, no or yes, are attributes.

    Raises:
        DataError: no header, a row that is too short or too long, a file that is absent or given twice.
        UserError: there is no column ``task``.
    """
    names, rows = _rows(root / NAME)
    column = {name: [row[i] for _, row in rows] for i, name in enumerate(names)}
    lower = {name.lower(): name for name in names}
    file_name = next((lower[each] for each in _FILE if each in lower), None)
    if file_name is None:
        raise DataError(f"{root / NAME} has no column 'file'; its columns are: {', '.join(names)}.")
    if task and task not in names:
        raise unknown(f"column of {NAME}, as task,", task, [name for name in names if name != file_name])
    label_name = task or next((lower[each] for each in _CLASS if each in lower), "")
    person = next((lower[each] for each in _IDENTITY if each in lower), "")
    lines = [line for line, _ in rows]
    attributes, left = {}, []
    for name in names:
        if name in {file_name, label_name, person}:
            continue
        if (values := _binary(column[name])) is not None:
            attributes[name] = values
        else:
            left.append(f"{name!r} ({len(set(column[name]))} values)")
    for name in filter(None, (label_name, person)):
        if "" in column[name]:
            raise DataError(f"{root / NAME}, line {lines[column[name].index('')]}: {name} is empty.")
    return Table(
        _files(root, column[file_name], lines),
        column[label_name] if label_name else [],
        column[person] if person else [],
        attributes,
        left,
    )


def _rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names of the columns, and each row with its line, stripped of spaces."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            reader = csv.reader(file, delimiter=max(",;\t", key=head.count))
            rows = [(reader.line_num, [each.strip() for each in row]) for row in reader if any(row)]
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no table in UTF-8: {error}. Save it as CSV, UTF-8.") from error
    if len(rows) < 2:
        raise DataError(f"{path} has no rows. Expected a header (file,class,…) and a row for each image.")
    names = rows[0][1]
    twice = [name for name in names if names.count(name) > 1 or not name]
    if twice:
        raise DataError(f"{path}: columns need names of their own; {twice[0]!r} is there twice or is empty.")
    for line, row in rows[1:]:
        if len(row) != len(names):
            raise DataError(f"{path}, line {line}: {len(row)} values; the header names {len(names)} columns.")
    return names, rows[1:]


def _binary(values: Sequence[str]) -> list[int] | None:
    """Values as 0 and 1, or None if they are no yes-or-no."""
    found = {value.lower() for value in values}
    for pair in _BINARY:
        if found <= set(pair):
            return [pair.index(value.lower()) for value in values]
    return None


def _files(root: Path, names: Sequence[str], lines: Sequence[int]) -> list[Path]:
    place = root / NAME
    seen: dict[str, int] = {}
    files = []
    for name, line in zip(names, lines, strict=True):
        inner = PurePath(name)
        if not name or inner.is_absolute() or ".." in inner.parts or "\0" in name:
            raise DataError(f"{place}, line {line}: {name!r} is no file below the folder.")
        if seen.setdefault(str(inner), line) != line:
            raise DataError(f"{place}: {name!r} is in line {seen[str(inner)]} and in line {line}.")
        found = next((path for each in _INNER if (path := root / each / inner).is_file()), None)
        if found is None:
            raise DataError(f"{place}, line {line}: there is no file {name!r}, nor images/{name}.")
        files.append(found)
    return files
