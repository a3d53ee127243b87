"""What one Python file imports, read from its text: nothing is run."""

from __future__ import annotations

import ast
import hashlib
import time
from functools import cached_property
from pathlib import Path

from privbench.core.code.syntax import (
    Reference,
    chain,
    import_statements,
    listed_names,
    literal_imports,
    references,
)
from privbench.core.errors import UserError

# A file changed again within the tick of the file system's clock keeps its time stamps.
_TICK_NS = 2_000_000_000


class Imports:
    """What a file's text refers to: ``references``, and what it offers to ``from`` imports of others.

    Files other than ``.py``, such as extension modules, have a digest only.
    """

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = data
        python = path.endswith(".py")
        # Some editors and git on Windows change the line ends.
        self.digest = hashlib.sha256(data.replace(b"\r\n", b"\n") if python else data).digest()
        self.references: list[Reference] = []
        self.exports: dict[str, Reference] = {}
        """Names that the module's ``__getattr__`` imports on first use, as its type-only imports say."""
        self.listed: list[str] = []
        """The names in ``__all__``, where it is written out."""
        if python and (b"import" in data or b"__all__" in data):
            self._read()

    def _read(self) -> None:
        tree = self._tree()
        typed: list[tuple[str, Reference]] = []
        for node, only_typed in import_statements(tree):
            for name, reference in references(node):
                if only_typed:
                    typed.append((name, reference))
                else:
                    self.references.append(reference)
        if b"import_module" in self.data or b"__import__" in self.data:
            self.references += literal_imports(tree)
        if any(isinstance(node, ast.FunctionDef) and node.name == "__getattr__" for node in tree.body):
            self.exports = dict(typed)
        self.listed = listed_names(tree)

    def _tree(self) -> ast.Module:
        try:
            return ast.parse(self.data, self.path)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
            why = error.msg if isinstance(error, SyntaxError) else error
            raise UserError(
                f"{self.path}{line} is not Python that can be read: {why}. A method in use imports it, "
                "and its text decides which results are still valid. Correct the file, or do not import it."
            ) from error

    @cached_property
    def attributes(self) -> list[Reference]:
        """Every chain ``name.attribute.…`` that starts at an imported name."""
        tree = self._tree()
        names = {
            name: reference for node, _ in import_statements(tree) for name, reference in references(node)
        }
        found: set[Reference] = set()
        for node in ast.walk(tree):
            first, *attributes = chain(node) or ("",)
            if attributes and first in names:
                level, parts, bound = names[first]
                parts = (*parts[:bound], *attributes)
                found.add(Reference(level, parts, len(parts)))
        return sorted(found)


_Stamp = tuple[int, int, int, int]
_read: dict[str, tuple[_Stamp, bool, Imports]] = {}


def imports(path: str) -> Imports:
    """What the file at ``path`` imports; read and parsed again only when the file has changed.

    Raises:
        UserError: the file is gone, may not be read, or is not Python.
    """
    try:
        stat = Path(path).stat()
        stamp = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        known = _read.get(path)
        if known and known[0] == stamp and known[1]:
            return known[2]
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror or error}), but a method in use was made from it. "
            "Put the file back, or start anew without it."
        ) from error
    result = known[2] if known and known[2].data == data else Imports(path, data)
    settled = time.time_ns() - max(stamp[:2]) > _TICK_NS
    _read[path] = (stamp, settled, result)
    return result
