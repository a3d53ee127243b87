"""The base of datasets that are downloaded, when asked, into a folder."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path

from pydantic import Field

from privbench.core.dataset import DatasetSource
from privbench.core.errors import DataError
from privbench.core.file_names import user_path
from privbench.data.datasets._files import digest


class DownloadedSource(DatasetSource):
    """A dataset in files under ``root`` that can be downloaded."""

    root: str = Field(
        "", description="folder of the data; empty: $PRIVBENCH_DATA, or ~/.cache/privbench/data"
    )
    download: bool = Field(False, description="download the data where it is absent")

    @property
    def folder(self) -> Path:
        """Where the data are kept."""
        given = self.root or os.environ.get("PRIVBENCH_DATA") or "~/.cache/privbench/data"
        return user_path(given)

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
    def get(self) -> None:
        """Download the data.

        Raises:
            DataError: the download failed.
        """

    @abstractmethod
    def by_hand(self) -> str:
        """How to get the data without ``download``; ends in the folder, goes after "or"."""

    def require(self) -> None:
        """Make sure that the files are there.

        Raises:
            DataError: they are absent, or the download failed.
        """
        missing = [path for path in self.files() if not path.exists()]
        if not missing:
            return
        if not self.download:
            raise DataError(
                f"{self.registry_name} is not present: {missing[0]} is missing. Download it with "
                f"--dataset '{self.registry_name}[download=true]', or {self.by_hand()} "
                "(PRIVBENCH_DATA or root= names another folder)."
            )
        self.get()
