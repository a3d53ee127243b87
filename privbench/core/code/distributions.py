"""Which installed distribution a library's module comes from."""

from __future__ import annotations

import importlib.metadata
from functools import cache
from importlib.machinery import PathFinder

# Those that privbench uses to check parameters, print, or start processes and tests. They change
# no figure, and their frequent releases would make results stale for nothing.
NO_FIGURES = {
    "click", "cloudpickle", "joblib", "pydantic", "pydantic-core", "pytest", "rich", "typer",
    "typing-extensions",
}  # fmt: skip
# Asking every installed distribution for its modules takes a tenth of a second.
_KNOWN = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}


@cache
def distributions(name: str) -> tuple[str, ...]:
    """The names of the installed distributions that the top-level module ``name`` comes from."""
    if not PathFinder.find_spec(name):
        return ()
    guess = _KNOWN.get(name, name)
    try:
        distribution = importlib.metadata.distribution(guess)
        listed = distribution.read_text("top_level.txt")
        if guess != name or listed is None or name in listed.split():
            return (_normal(distribution.metadata["Name"]),)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        pass
    return tuple({_normal(each) for each in importlib.metadata.packages_distributions().get(name, ())})


@cache
def version(distribution: str) -> str:
    """The installed version of ``distribution``."""
    return importlib.metadata.version(distribution)


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
