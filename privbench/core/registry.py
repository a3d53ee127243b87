"""The registry: finds a method by its name and imports that one file.

A method is known by the file that holds it (``attacks/loss_threshold.py`` is the attack
``loss-threshold``), by an entry point of another package (group ``privbench.attacks`` and so
on), or by a path (``./mine.py:MyAttack``), whose file may import the files beside it. Files and
plugins are code and run as such.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import pkgutil
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path
from typing import TypeVar, get_args

from privbench.core.entry_points import hidden, package, plugins
from privbench.core.errors import UserError, shortened, unknown
from privbench.core.file_names import is_file, user_path
from privbench.core.method import Kind, Method
from privbench.core.plugin_files import load_file, registered_classes
from privbench.core.printable import is_printable, one_line
from privbench.core.selector import Selector, parse_selector

PACKAGES: dict[Kind, str] = {
    "attack": "privbench.attacks",
    "defense": "privbench.defenses",
    "metric": "privbench.metrics",
    "dataset": "privbench.data.datasets",
    "model": "privbench.models",
    "surface": "privbench.surfaces",
    "game": "privbench.games",
    "task": "privbench.tasks",
}
KINDS: tuple[Kind, ...] = get_args(Kind)

M = TypeVar("M", bound=type[Method])

_REGISTERED: dict[tuple[Kind, str], type[Method]] = {}
"""Classes registered outside of the catalogue: by a file at a path, a plugin or a notebook."""


def register(name: str) -> Callable[[M], M]:
    """Class decorator that names a method; in the catalogue the name must be the file's own."""
    if not is_printable(name) or not name.strip():
        raise ValueError(f"@register({name!r}): a name is one line of printable characters")

    def decorate(cls: M) -> M:
        if not (inspect.isclass(cls) and issubclass(cls, Method)):
            raise TypeError(f"@register({name!r}) is for classes that derive from one of privbench's bases")
        module = cls.__module__
        if module.startswith("privbench.") and module.rpartition(".")[2] != name.replace("-", "_"):
            raise TypeError(f"{name!r} must live in {name.replace('-', '_')}.py, not in {module}")
        cls.registry_name = name
        if not module.startswith("privbench."):
            _REGISTERED[cls.kind, name] = cls
        return cls

    return decorate


@cache
def _catalogue(kind: Kind) -> dict[str, str]:
    # Found without importing the package, whose __init__ may pull in slow modules.
    spec = importlib.util.find_spec(PACKAGES[kind])
    locations = list(spec.submodule_search_locations or ()) if spec else []
    modules = [m.name for m in pkgutil.iter_modules(locations) if not m.name.startswith("_")]
    return {name.replace("_", "-"): f"{PACKAGES[kind]}.{name}" for name in modules}


def names(kind: Kind) -> list[str]:
    """The names of all methods of ``kind``, in order, without importing any of them."""
    return sorted({*_catalogue(kind), *plugins(kind)})


def known(kind: Kind) -> list[str]:
    """``names``, and those registered in this process by files from elsewhere, in order."""
    return sorted({*names(kind), *(name for of, name in _REGISTERED if of == kind)})


@cache
def unusable(kind: Kind) -> dict[str, str]:
    """The plugins of ``kind`` that cannot be used, each with its package and the reason; imports them all."""
    found = {}
    for name, entry in plugins(kind).items():
        if name not in _catalogue(kind):
            try:
                find(kind, name)
            except UserError as error:
                found[name] = f"{kind} {name!r} of the package {package(entry)} is left out: {error}"
    return found


def usable(kind: Kind) -> list[str]:
    """``known`` without those that cannot be used."""
    return [name for name in known(kind) if name not in unusable(kind)]


def shadowed(kind: Kind) -> dict[str, str]:
    """The plugins that another method of their name hides, with a sentence on each; imports nothing."""
    found = {}
    for name, entry in plugins(kind).items():
        behind = hidden(kind, name)
        front = f"the package {package(entry)}"
        if name in _catalogue(kind):
            behind, front = [package(entry), *behind], "privbench itself"
        if behind:
            found[name] = (
                f"{kind} {name!r} is that of {front}; the one of {', '.join(behind)} is shadowed by it and "
                "is not used"
            )
    return found


def source_path(kind: Kind, name: str) -> Path | None:
    """The file of a catalogue method, or None for a plugin; imports nothing."""
    module = _catalogue(kind).get(name)
    spec = importlib.util.find_spec(module) if module else None
    return Path(spec.origin) if spec and spec.origin else None


def find(kind: Kind, name: str, groups: Collection[str] = ()) -> type[Method]:
    """The class of the method ``name``; imports its file only.

    Args:
        kind: what to look for.
        name: a registered name, or PATH.py:ClassName.
        groups: words that stand for several methods where the name was given; they are named among
            the choices.

    Raises:
        UserError: no such method (the nearest names are given), or its file cannot be used.
    """
    cls = _find(kind, name, groups)
    require_complete(kind, name, cls)
    cls.place = name
    return cls


def require_complete(kind: Kind, name: str, cls: type[Method]) -> None:
    """Refuse a class that leaves out what its base asks for.

    Raises:
        UserError: abstract methods or declarations are missing; they are named.
    """
    if missing := cls.missing():
        base = next(base.__name__ for base in cls.__mro__[1:] if base.__module__.startswith("privbench."))
        raise UserError(
            f"{kind} {name!r} is incomplete: {cls.__name__} does not define {', '.join(missing)}. "
            f"Its base {base} says what each must be."
        )


def _find(kind: Kind, name: str, groups: Collection[str]) -> type[Method]:
    if ".py:" in name:
        return _from_path(kind, name)
    if name.endswith(".py"):
        raise _no_class(kind, name)
    if name in _catalogue(kind):
        module = importlib.import_module(_catalogue(kind)[name])
        for value in vars(module).values():
            if inspect.isclass(value) and issubclass(value, Method) and value.registry_name == name:
                return value
        raise UserError(f"{module.__name__} registers no {kind} named {name!r}. Add @register({name!r}).")
    if name in plugins(kind):
        entry = plugins(kind)[name]
        try:
            loaded = entry.load()
        except (Exception, SystemExit) as error:
            raise UserError(
                f"the plugin for {kind} {name!r} (package {package(entry)}) failed to load: "
                f"{one_line(f'{type(error).__name__}: {error}', 500)}."
            ) from error
        return _checked(kind, loaded, name)
    if (kind, name) in _REGISTERED:
        return _REGISTERED[kind, name]
    if name in groups:
        raise UserError(f"{name!r} stands for several {kind}s and takes no parameters. Write {name} alone.")
    raise unknown(kind, name, [*names(kind), *groups])


def create(kind: Kind, text: str | Selector, groups: Collection[str] = ()) -> Method:
    """Build a method from a selector such as ``vim[window=7]``; ``groups`` are those of ``find``.

    >>> defense = create("defense", "vim[window=4,key=fixed]")
    >>> defense.selector, defense.reuses_key
    ('vim[key=fixed]', True)
    """
    selector = parse_selector(text) if isinstance(text, str) else text
    return find(kind, selector.name, groups).create(dict(selector.params))


def created(kind: Kind, given: object) -> Method:
    """``given`` as a method of ``kind``: an instance as it is, a class with its defaults.

    Raises:
        UserError: it is neither, or the class is incomplete.
    """
    if isinstance(given, Method) and given.kind == kind:
        return given
    if inspect.isclass(given) and issubclass(given, Method) and getattr(given, "kind", None) == kind:
        require_complete(kind, given.__name__, given)
        return given.create({})
    raise UserError(
        f"{given!r} is no {kind}. Give a selector such as 'name[param=value]', an instance, or a class that "
        "derives from one of privbench's bases."
    )


def _checked(kind: Kind, value: object, name: str) -> type[Method]:
    if not (inspect.isclass(value) and issubclass(value, Method) and getattr(value, "kind", None) == kind):
        raise UserError(f"{name!r} is not a class for {_a(kind)}. Derive it from one of privbench's bases.")
    if not value.registry_name:
        raise UserError(f"{name!r} has no name of its own. Decorate the class with @register('a-name').")
    return value


def _a(kind: Kind) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _no_class(kind: Kind, text: str) -> UserError:
    """The error for a path without a class; names the classes that the file registers, if it is there."""
    prefix, colon, path = text.partition(":")
    if colon and prefix in names(kind):
        return UserError(
            f"{text!r}: {prefix} reads data, and {path!r} is Python code. "
            f"For {_a(kind)} of your own write {path}:ClassName."
        )
    classes = registered_classes(user_path(text))
    written = " or ".join(f"{text}:{name}" for name in classes) or f"{text}:ClassName"
    missing = "" if is_file(user_path(text)) else " (and there is no such file)"
    return UserError(f"{kind} {shortened(text)!r} names a file, not a class{missing}. Write {written}.")


def _from_path(kind: Kind, text: str) -> type[Method]:
    file_name, _, class_name = text.rpartition(":")
    path = user_path(file_name)
    if not is_file(path):
        shown = shortened(file_name)
        raise UserError(f"no file {shown!r} for the {kind} {shortened(text)!r}. Give PATH.py:ClassName.")
    module = load_file(path.resolve())
    value = getattr(module, class_name, None)
    if value is None:
        own = [n for n, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__]
        raise unknown(f"class in {file_name!r}:", class_name, own)
    return _checked(kind, value, text)
