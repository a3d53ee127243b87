"""From what the user names to methods: selectors, instances, classes, ``all`` and games."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias, cast

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.dataset import DatasetSource
from privbench.core.errors import UserError
from privbench.core.file_names import user_path
from privbench.core.method import Kind, Method
from privbench.core.paths import is_there, split_path
from privbench.core.selector import parse_selector, require_plain

Named: TypeAlias = "str | Method | type[Method]"
"""A method by its selector, as an instance, or as a class."""


def method_of(kind: Kind, given: Named, groups: Sequence[str] = ()) -> Method:
    """The method for a selector, an instance or a class.

    Raises:
        UserError: an unknown name, a bad parameter, or something of another kind.
    """
    if isinstance(given, str):
        return dataset_source(given) if kind == "dataset" else registry.create(kind, given, groups)
    made = registry.created(kind, given)
    if not made.registry_name:
        raise UserError(f"{type(made).__name__} has no name. Decorate the class with @register('a-name').")
    return made


def dataset_source(text: str) -> DatasetSource:
    """The dataset for a selector; ``npz:PATH`` and ``imagefolder:PATH`` take a path.

    Raises:
        UserError: an unknown name, a bad parameter, or a path without the name of what reads it.
    """
    text = text.strip()
    require_plain(text)
    name, colon, path = text.partition(":")
    if colon and re.fullmatch(r"[\w-]+", name) and not re.search(r"\.py(:|$)", text):
        cls = registry.find("dataset", name)
        if "path" not in cls.model_fields:
            raise UserError(
                f"dataset {name!r} takes no path. Write {name}, or see: privbench show dataset {name}"
            )
        found = split_path(path)
        return cast("DatasetSource", cls.create({"path": found.name, **found.params}))
    if suggested := reader_of(text):
        raise UserError(f"{text!r} is a path: write --dataset {shlex.quote(suggested)}.")
    selector = parse_selector(text)
    cls = registry.find("dataset", selector.name)
    if "path" in cls.model_fields and "path" not in selector.params:
        raise UserError(f"dataset {selector.name!r} needs a path. Write {selector.name}:PATH.")
    return cast("DatasetSource", cls.create(dict(selector.params)))


def reader_of(text: str) -> str:
    """The selector that reads the folder or file that ``text`` names, with its brackets; empty for none."""
    if text.partition("[")[0] in registry.names("dataset"):
        return ""
    path = user_path(split_path(text).name)
    if is_there(path) and path.is_dir():
        return f"imagefolder:{text}"
    return f"npz:{text}" if path.suffix.lower() == ".npz" else ""


def families() -> set[str]:
    """Words that stand for all attacks of a game: the games' names."""
    return set(registry.known("game"))


def expand(kind: Kind, given: Iterable[Named]) -> list[Method]:
    """Methods for selectors, instances, classes, ``all`` and families, in order, once each."""
    found: dict[str, Method] = {}
    owners: dict[str, type[Method]] = {}
    for each in given:
        family = families() if kind == "attack" else set()
        if isinstance(each, str) and (each == "all" or each in family):
            broken = registry.unusable(kind)
            methods = [registry.create(kind, name) for name in registry.names(kind) if name not in broken]
            if each in family:
                methods = [m for m in methods if each in cast("Attack", m).plays]
        else:
            methods = [method_of(kind, each, groups=("all", *family))]
        for method in methods:
            require_own_name(type(method), owners)
            found.setdefault(method.selector, method)
    return list(found.values())


def require_own_name(cls: type[Method], owners: dict[str, type[Method]]) -> None:
    """Refuse a class from a path or a plugin under another's name, in the registry or in ``owners``.

    Records are kept by name: it would take the other's place, in this run or among older records.
    """
    kind, name = cls.kind, cls.registry_name
    if "[" in name or "]" in name:
        raise UserError(
            f"{_origin(cls)} is called {name!r}: brackets hold parameters. Rename it in @register."
        )
    registered = registry.find(kind, name) if name in registry.names(kind) else cls
    for other in (registered, owners.setdefault(name, cls)):
        if other is not cls:
            raise UserError(
                f"{_origin(cls)} is called {name!r}, as is the {kind} {_origin(other)}: one would overwrite "
                f"the other's records. Give it a name of its own: @register('my-{name}')."
            )


def _origin(cls: type[Method]) -> str:
    try:
        return f"{inspect.getfile(cls)}:{cls.__name__}"
    except (TypeError, OSError):
        return f"the class {cls.__name__}"


def left_out(given: Mapping[Kind, Iterable[Named]]) -> tuple[str, ...]:
    """What of the plugins of ``given`` kinds is not used, and why: a sentence each.

    Of attacks and defenses those count that were asked for, by name or by a group.
    """
    told: list[str] = []
    for kind in registry.KINDS:
        asked = {each for each in given.get(kind, ()) if isinstance(each, str)}
        everything = kind not in given or bool(asked & {"all", *families()})
        unusable = registry.unusable(kind) if everything else {}
        # Of data at a path the name of what reads them.
        bare = {re.split(r"[\[:]", each, maxsplit=1)[0].strip() for each in asked}
        hidden = registry.shadowed(kind)
        told += [*unusable.values(), *(text for name, text in hidden.items() if everything or name in bare)]
    return tuple(told)
