"""The base of datasets that a path names, as in ``npz:faces.npz``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from privbench.core.dataset import DatasetSource
from privbench.core.paths import expanded


class PathSource(DatasetSource):
    """A dataset at a path; its selector is ``name:PATH`` or ``name:PATH[param=value]``."""

    path: str = Field(min_length=1, description="where the data lies")

    @property
    def selector(self) -> str:
        """The canonical selector, with the path as it was given."""
        return f"{self.registry_name}:{self.path}{self._brackets('path')}"

    @property
    def location(self) -> Path:
        """The path with ``~`` expanded."""
        return expanded(self.path)
