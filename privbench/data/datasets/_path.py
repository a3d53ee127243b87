"""The base of datasets that a path names, as in ``npz:faces.npz``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from privbench.core.dataset import DatasetSource
from privbench.core.file_names import user_path


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
        return user_path(self.path)

    def label(self, content: str) -> str:
        """The path's last part and the start of the hash: ``npz:faces.npz@1a2b3c4d``."""
        return f"{self.registry_name}:{self.location.resolve().name}@{content[:8]}{self._brackets('path')}"
