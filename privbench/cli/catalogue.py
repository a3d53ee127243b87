"""``privbench list`` and ``privbench show``: the catalogue without running anything."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from privbench.core import registry
from privbench.core.attack import Attack
from privbench.core.defense import Defense
from privbench.core.errors import unknown
from privbench.core.game import Game
from privbench.core.method import Kind, Method
from privbench.core.metric import Metric
from privbench.core.paths import split_path
from privbench.core.selector import parse_selector
from privbench.core.surface import Surface, implied
from privbench.core.task import Task
from privbench.core.threat import described
from privbench.report.terminal import terminal
from privbench.suites.reading import SHIPPED, read_suite, shipped


def _kind(text: str, others: tuple[str, ...] = ()) -> Kind:
    for kind in registry.KINDS:
        if text in {kind, f"{kind}s"}:
            return kind
    raise unknown("kind", text, [*registry.KINDS, *others])


def _summary(cls: type[Method]) -> str:
    return (cls.__doc__ or "").strip().partition("\n")[0]


def _threat(cls: type[Method]) -> str:  # noqa: PLR0911 - one for each kind
    if issubclass(cls, Attack):
        games = " + ".join(sorted(_plays(cls)))
        surfaces = " + ".join(sorted(cls.needs)) or "nothing released"
        return f"{games}; {described(cls.knowledge | implied(cls.needs))}; {surfaces}"
    if issubclass(cls, Defense):
        return "every surface" if cls.control else "exposes " + ", ".join(sorted(cls.surfaces))
    if issubclass(cls, Game):
        return "played on " + " or ".join(sorted(cls.played_on))
    if issubclass(cls, Surface):
        return " and ".join(_gives(cls))
    if issubclass(cls, Metric):
        return f"{cls.subject}{'; rates' if cls.rates else ''}"
    if issubclass(cls, Task):
        return f"measured by {cls.utility}"
    return ""


def _plays(cls: type[Attack]) -> frozenset[str]:
    """The games of an attack; those of its default configuration where that decides."""
    return cls.games or cls.create({}).plays


def _gives(cls: type[Surface]) -> list[str]:
    released = cls.release is not Surface.release
    return [*(["released"] if released else []), *(["oracle"] if cls.oracle else [])]


def list_methods(
    kind: Annotated[
        str | None, typer.Argument(help=f"One of: {', '.join(registry.KINDS)}; or suites.")
    ] = None,
) -> None:
    """List the registered methods, of one kind or of all, or the suites that are shipped."""
    if kind in {"suite", "suites"}:
        _list_suites()
        return
    kinds = [_kind(kind, others=("suites",))] if kind else list(registry.KINDS)
    console = terminal(highlight=True)
    for each in kinds:
        last = "threat model" if each in {"attack", "defense", "game", "surface"} else ""
        table = Table(Column("name", no_wrap=True), "what it is", Column(last, overflow="fold"), box=None)
        broken = registry.unusable(each)
        for name in registry.names(each):
            if name in broken:
                continue
            cls = registry.find(each, name)
            table.add_row(name, Text(_summary(cls)), _threat(cls))
        console.print(f"[bold]{each}s[/bold]")
        console.print(table)
        for text in (*broken.values(), *registry.shadowed(each).values()):
            console.print(f"note: {text}", markup=False)
        console.print()


def _list_suites() -> None:
    """The suites that are shipped: what they are and how many runs and published figures they have."""
    table = Table(Column("name", no_wrap=True), "what it is", "runs", "published figures", box=None)
    for name, path in shipped().items():
        content = read_suite(path).content
        table.add_row(name, Text(content.title), str(len(content.run)), str(len(content.figure)))
    console = terminal()
    console.print(table)
    console.print()
    console.print("privbench reproduce NAME runs one; the files, which also show how to write one, are in")
    console.print(str(SHIPPED), soft_wrap=True)


def _range(schema: dict[str, Any]) -> str:
    options = schema.get("anyOf", [schema])
    return " or ".join(filter(None, map(_one_range, options)))


def _one_range(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    names = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true | false"}
    text = names.get(schema.get("type", ""), "none" if schema.get("type") == "null" else "")
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return " ".join([text, *bounds])


def show(
    kind: Annotated[str, typer.Argument(help=f"One of: {', '.join(registry.KINDS)}.")],
    name: Annotated[
        str, typer.Argument(help=r"A registered name, a row's name such as vim\[window=7], or PATH.py:Class.")
    ],
) -> None:
    """Show one method: what it does, its threat model, hyperparameters with ranges, and source."""
    cls, given = _find(_kind(kind), name)
    console = terminal()
    console.print(f"[bold]{cls.registry_name}[/bold] ({cls.kind})")
    console.print()
    console.print(_docstring(cls), markup=False)
    console.print()
    for label, value in _facts(cls).items():
        console.print(f"[bold]{label}:[/bold] {escape(value)}")
    table = Table(Column("hyperparameter", no_wrap=True), "range", "default", "meaning", box=None)
    if given:
        table.add_column("given", overflow="fold")
    for field, schema in cls.model_json_schema().get("properties", {}).items():
        default = "" if "default" not in schema else str(schema["default"])
        cells = (_range(schema), default, schema.get("description", ""), given.get(field, ""))
        table.add_row(field, *map(Text, cells[: len(table.columns) - 1]))
    console.print()
    console.print(table if table.row_count else "no hyperparameters")


def _find(kind: Kind, text: str) -> tuple[type[Method], dict[str, str]]:
    """The class for a name or a whole selector, and the parameters that the selector gives it."""
    name, colon, path = text.partition(":")
    if colon and name in registry.names(kind):
        selector = split_path(path)
        given = {**selector.params, "path": selector.name}
        cls = registry.find(kind, name)
    else:
        selector = parse_selector(text)
        given = dict(selector.params)
        cls = registry.find(kind, selector.name)
    if given:
        cls.create(given)
    return cls, given


def _docstring(cls: type[Method]) -> str:
    """The docstring with each paragraph on one line, so that the terminal's width breaks it."""
    paragraphs = inspect.cleandoc(cls.__doc__ or "").split("\n\n")
    return "\n\n".join(p if "\n " in p else p.replace("\n", " ") for p in paragraphs)


def _metrics(subject: str) -> list[str]:
    found = ((name, registry.find("metric", name)) for name in registry.usable("metric"))
    return [name for name, cls in found if issubclass(cls, Metric) and cls.subject == subject]


def _facts(cls: type[Method]) -> dict[str, str]:
    facts: dict[str, str] = {}
    if issubclass(cls, Attack):
        facts["games"] = ", ".join(sorted(_plays(cls)))
        facts["needs"] = ", ".join(sorted(cls.needs)) or "nothing that is released"
        facts["adversary knows"] = f"{described(cls.knowledge | implied(cls.needs))}; and the algorithm"
    elif issubclass(cls, Defense):
        facts["exposes"] = "every surface" if cls.control else ", ".join(sorted(cls.surfaces))
        if cls.control:
            facts["control"] = {"break": "every attack must win", "null": "no attack may win"}[cls.control]
    elif issubclass(cls, Game):
        facts["played on"] = "any of " + ", ".join(sorted(cls.played_on))
        facts["an attack may use beside"] = ", ".join(sorted(cls.beside)) or "nothing more"
        facts["scored by"] = ", ".join(_metrics(cls.subject))
        facts["floor"] = "the best of " + ", ".join(cls.floors)
    elif issubclass(cls, Surface):
        facts["gives"] = " and ".join(_gives(cls))
        facts["a defense defines"] = ", ".join(cls.asks) or "nothing of its own"
    elif issubclass(cls, Metric):
        facts["measures"] = cls.subject
        facts["range"] = f"{cls.bounds[0]:g} to {cls.bounds[1]:g} {cls.unit}".strip()
        facts["higher is"] = cls.higher_is
        facts["rates a defense"] = "yes" if cls.rates else "no"
        if reason := cls.create({}).unavailable():
            facts["unavailable here"] = reason
    elif issubclass(cls, Task):
        facts["usefulness"] = f"metrics that measure {cls.utility!r}"
    if cls.source:
        facts["source"] = cls.source
    return facts
