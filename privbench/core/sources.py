"""Which code did this use? The base of cache keys: files, their hash, and versions of libraries.

Files are found by reading imports, at any depth of a function, without running one. Not seen are
modules whose names are computed at run time: what ``core.registry`` finds, for example, must be
named as a root of its own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from privbench.core.code.distributions import NO_FIGURES, distributions, version
from privbench.core.code.finder import Finder
from privbench.core.code.imports import imports
from privbench.core.code.module import Module
from privbench.core.code.roots import Roots
from privbench.core.code.syntax import Reference

Root = Path | type | ModuleType


def sources(*roots: Root) -> frozenset[Path]:
    """The Python files that ``roots`` use: their own, and every module imported from there on.

    Followed are privbench, and for a root outside of it also the modules beside its file, those on
    ``sys.path`` that are not installed, and the root's own top-level package wherever it is. Not
    followed are the standard library, installed libraries, and imports for type checkers only.
    Compiled extension modules among those count as files.

    Args:
        roots: Python files, classes or modules. A class brings the files of its bases. One that was
            typed into a notebook has no file, but those of the names in its text.

    Raises:
        UserError: a file is gone or is not Python, or a class has neither a file nor a text.
    """
    return frozenset(Path(module.path) for module in Use(roots).modules)


def code_hash(*roots: Root) -> str:
    """SHA-256, 32 hexadecimal digits, of the names and contents of ``sources(*roots)``.

    It is the same wherever the files are installed, whatever the order of ``roots``, and with
    either kind of line ends. The text of a class without a file is part of it, with the functions,
    classes and values that this names.

    Raises:
        UserError: as ``sources``; or a class without a file names a value that cannot be hashed.
    """
    return Use(roots).code_hash()


def libraries(*roots: Root) -> dict[str, str]:
    """Name and version, in order, of the distributions from which ``sources(*roots)`` import.

    Those that compute no figure are left out, and so is one that is imported but not installed.

    Raises:
        UserError: as ``sources``.
    """
    return Use(roots).libraries()


class Use:
    """All that ``roots`` use: ``modules``, ``typed`` texts and ``foreign`` top-level names."""

    def __init__(self, roots: tuple[Root, ...]) -> None:
        """Follow the imports; raises as ``sources`` does."""
        self._finder = Finder()
        self.modules: set[Module] = set()
        start = Roots()
        for root in roots:
            start.add(root)
        self.typed = start.typed
        for module in start.modules:
            self._add([module, *self._finder.ancestors(module)])
        for importer, reference in start.references:
            self._add(self._follow(importer, reference)[0])
        self.foreign = start.foreign | self._finder.foreign

    def code_hash(self) -> str:
        """See the function of this name."""
        parts = {(module.name, imports(module.path).digest) for module in self.modules}
        parts |= {(typed.name, hashlib.sha256(typed.text.encode()).digest()) for typed in self.typed}
        lines = (os.fsencode(name) + b"\0" + digest for name, digest in sorted(parts))
        return hashlib.sha256(b"".join(lines)).hexdigest()[:32]

    def libraries(self) -> dict[str, str]:
        """See the function of this name."""
        found = {each for name in self.foreign for each in distributions(name)}
        return {name: version(name) for name in sorted(found - NO_FIGURES)}

    def _add(self, modules: list[Module]) -> None:
        waiting = list(modules)
        while waiting:
            module = waiting.pop()
            if module in self.modules:
                continue
            self.modules.add(module)
            waiting += self._imported(module)

    def _imported(self, module: Module) -> Iterator[Module]:
        read = imports(module.path)
        uses_package = False
        for reference in read.references:
            found, package = self._follow(module, reference)
            uses_package |= package
            yield from found
        # ``import package`` and then ``package.module.name`` where it is used.
        for reference in read.attributes if uses_package else ():
            yield from self._follow(module, reference)[0]

    def _follow(self, importer: Module, reference: Reference) -> tuple[list[Module], bool]:
        """The modules that ``reference`` leads to, and whether the name that it binds is a package."""
        found = self._finder.find(importer, reference.level, reference.parts)
        reached = len(reference.parts) - len(found.rest)
        package = reached >= reference.bound and (
            bool(found.places) or reference.bound < len(reference.parts)
        )
        if found.rest and found.modules:
            return [*found.modules, *self._offered(found.modules[-1], found.rest[0])], package
        return found.modules, package

    def _offered(self, module: Module, name: str) -> Iterator[Module]:
        """The modules behind the attribute ``name`` of ``module``, or behind all for ``*``."""
        waiting, seen = [(module, name)], set()
        while waiting:
            module, name = waiting.pop()
            if (module, name) in seen:
                continue
            seen.add((module, name))
            read = imports(module.path)
            if name == "*":
                waiting += [(module, each) for each in (*read.exports, *read.listed)]
                references = [Reference(1, (each,), 1) for each in read.listed if module.is_package]
            else:
                references = [read.exports[name]] if name in read.exports else []
            for reference in references:
                found = self._finder.find(module, reference.level, reference.parts)
                yield from found.modules
                if found.rest and found.modules:
                    waiting.append((found.modules[-1], found.rest[0]))
