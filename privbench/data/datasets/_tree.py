"""Image files below a folder: which there are, of which class, and what else lies there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from privbench.core.errors import DataError, counted
from privbench.data.datasets._decoding import SUFFIXES

_SPLITS = frozenset(
    {"train", "training", "val", "valid", "validation", "dev", "test", "testing", "eval", "evaluation"}
)


@dataclass
class Tree:
    """The files of an image folder.

    Attributes:
        classes: class -> its image files, both in order; empty where the folder has no classes.
        loose: image files that are in no class.
        skipped: what else lies there: kind -> how often.
        notes: how the folders were read.
    """

    classes: dict[str, list[Path]] = field(default_factory=dict)
    loose: list[Path] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """All images that are read: those of the classes, or the loose ones."""
        return [path for paths in self.classes.values() for path in paths] or self.loose

    def said(self) -> list[str]:
        """The notes, with what was skipped."""
        if not self.skipped:
            return self.notes
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.skipped.items()))
        return [*self.notes, f"{counted(self.skipped.total(), 'file')} skipped: {kinds}"]


def find_images(folder: Path, skipped: Counter[str]) -> list[Path]:
    """All image files below ``folder``, in order; links are followed, hidden names are not.

    Raises:
        DataError: a folder cannot be read.
    """
    found: list[Path] = []

    def fail(error: OSError) -> None:
        raise DataError(f"cannot read the folder {error.filename!r}: {error.strerror}.") from error

    # A link to a folder that holds it has no end.
    above = {str(folder): frozenset(map(str, Path(os.path.realpath(folder)).parents))}
    for place, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        path = above.pop(place) | {os.path.realpath(place)}
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in list(folders):
            inner = os.path.join(place, name)  # noqa: PTH118 - the walk's own text, by which it is found
            if os.path.realpath(inner) in path:
                skipped["link to a folder above"] += 1
                folders.remove(name)
            above[inner] = path
        for name in files:
            each = Path(place, name)
            if (kind := _unfit(each)) is None:
                found.append(each)
            elif kind:
                skipped[kind] += 1
    return sorted(found)


def _unfit(path: Path) -> str | None:
    """Why a file is not read, in a word; empty if nobody would expect it to be."""
    if path.name.startswith(".") or path.name in {"Thumbs.db", "desktop.ini"}:
        return ""
    if not path.exists():
        return "broken link"
    if path.suffix.lower() in SUFFIXES:
        return None if path.is_file() else "no plain file"
    return path.suffix.lower() or "without an ending"


def read_tree(root: Path, shown: str) -> Tree:
    """Read ``root``: one sub-folder a class, or such folders within ``train``, ``val`` and ``test``.

    Args:
        root: the folder.
        shown: what messages call it.

    Raises:
        DataError: no classes can be told.
    """
    tree = Tree()
    folders = _folders(root, shown)
    if not folders:
        tree.loose = find_images(root, tree.skipped)
        if not tree.loose:
            raise DataError(f"{shown!r} has no images ({_listed()}). {_looked(tree)}")
        return tree
    splits = [each for each in folders if each.name.lower() in _SPLITS]
    if len(splits) > 1 and len(splits) < len(folders):
        others = [each.name for each in folders if each not in splits]
        raise DataError(
            f"{shown!r} holds {_named(splits)}, which are names of splits, beside {', '.join(others[:3])}: "
            "are these classes? Move either elsewhere."
        )
    if splits and len(splits) == len(folders):
        _read_splits(tree, splits, shown)
    else:
        tree.classes = {readable(each.name): find_images(each, tree.skipped) for each in folders}
    beside = [each for each in sorted(root.iterdir()) if each.is_file() or not each.exists()]
    loose = sum(_unfit(each) is None for each in beside)
    if loose:
        tree.skipped["image beside the class folders"] += loose
    if len(tree.classes) < 2:
        only = next(iter(tree.classes), "")
        raise DataError(
            f"{shown!r} has {counted(len(tree.classes), 'class folder')}; expected at least two. For images "
            f"without classes give the folder that holds them{f': {shown}/{only}' if only else ''}."
        )
    if empty := [name for name, files in tree.classes.items() if not files]:
        raise DataError(
            f"class {empty[0]!r} of {shown!r} has no images ({_listed()}). Fill the sub-folder or remove it. "
            f"{_looked(tree)}".rstrip()
        )
    return tree


def _read_splits(tree: Tree, splits: list[Path], shown: str) -> None:
    """Put the classes of all splits together."""
    found: dict[str, list[Path]] = {}
    sizes = []
    for split in splits:
        classes = _folders(split, shown)
        files = {readable(each.name): find_images(each, tree.skipped) for each in classes}
        for name, inside in files.items():
            found.setdefault(name, []).extend(inside)
        loose = len(find_images(split, Counter())) - sum(map(len, files.values()))
        if loose:
            tree.skipped[f"image without a class in {split.name}/"] += loose
        sizes.append(f"{split.name} {sum(map(len, files.values())):,}")
    if not found:
        raise DataError(
            f"{shown!r} holds {_named(splits)}, which are names of splits, and no class folders inside. If "
            f"they are classes, rename them; if there are no classes, give one: {shown}/{splits[0].name}."
        )
    tree.classes = dict(sorted(found.items()))
    tree.notes.append(f"splits put together, since privbench makes its own: {', '.join(sizes)}")


def readable(name: str) -> str:
    """``name`` with bytes that are no UTF-8 as escapes, so that it can be printed and recorded."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _folders(root: Path, shown: str) -> list[Path]:
    try:
        return sorted(each for each in root.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError as error:
        raise DataError(f"cannot read the folder {shown!r}: {error.strerror}.") from error


def _named(folders: Iterable[Path]) -> str:
    return ", ".join(f"{each.name}/" for each in folders)


def _listed() -> str:
    return ", ".join(sorted(SUFFIXES))


def _looked(tree: Tree) -> str:
    return f"Passed over: {tree.said()[-1]}." if tree.skipped else ""
