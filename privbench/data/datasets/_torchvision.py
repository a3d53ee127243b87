"""The base of datasets that torchvision reads and, when asked, downloads."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import Any

from pydantic import Field

from privbench.core.dataset import DatasetSource
from privbench.core.errors import DataError
from privbench.data.datasets._files import digest


class TorchvisionSource(DatasetSource):
    """A dataset in torchvision's own layout under ``root``."""

    root: str = Field(
        "", description="folder of the data; empty: $PRIVBENCH_DATA, or ~/.cache/privbench/data"
    )
    download: bool = Field(False, description="download the data where it is absent")

    @property
    def folder(self) -> Path:
        """Where torchvision keeps the data."""
        given = self.root or os.environ.get("PRIVBENCH_DATA") or "~/.cache/privbench/data"
        return Path(given).expanduser()

    @property
    def selector(self) -> str:
        """The canonical selector; ``download`` says how to get the data, not what they are."""
        if not self.download:
            return super().selector
        return self.model_copy(update={"download": False}).selector

    def content_hash(self) -> str:
        """SHA-256 of the files and the options; downloads absent data where that was asked for."""
        self.require()
        return digest(
            self, [path for path in self.files() if not path.is_dir()], without=("root", "download")
        )

    @abstractmethod
    def files(self) -> list[Path]:
        """The files and folders behind the dataset, present or not."""

    @abstractmethod
    def open(self, download: bool) -> Any:
        """Open the dataset with torchvision."""

    def require(self) -> None:
        """Make sure that the files are there; torchvision is loaded only to download them.

        Raises:
            DataError: they are absent, or the download failed.
        """
        missing = [path for path in self.files() if not path.exists()]
        if not missing:
            return
        if not self.download:
            raise DataError(
                f"{self.registry_name} is not present: {missing[0]} is missing. Download it with "
                f"--dataset '{self.registry_name}[download=true]', or put torchvision's copy into "
                f"{self.folder} (PRIVBENCH_DATA or root= names another folder)."
            )
        self._torchvision(download=True)

    def opened(self) -> Any:
        """The torchvision dataset, from files that are there.

        Raises:
            DataError: absent, damaged, or the download failed.
        """
        self.require()
        return self._torchvision(download=False)

    def _torchvision(self, download: bool) -> Any:
        try:
            return self.open(download)
        # torchvision has no error type of its own: damaged files and failed downloads raise any of many.
        except Exception as error:
            if download:
                raise DataError(
                    f"the download of {self.registry_name} failed: {error!r}. Check the connection, "
                    f"or put torchvision's copy into {self.folder} by hand."
                ) from error
            raise DataError(
                f"{self.registry_name} in {self.folder} is damaged: {error!r}. Remove it and download "
                f"it again with --dataset '{self.registry_name}[download=true]'."
            ) from error
