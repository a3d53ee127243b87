"""The base of datasets that torchvision reads and, when asked, downloads."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from privbench.core.errors import DataError
from privbench.data.datasets._downloaded import DownloadedSource


class TorchvisionSource(DownloadedSource):
    """A dataset in torchvision's own layout under ``root``."""

    @abstractmethod
    def open(self, download: bool) -> Any:
        """Open the dataset with torchvision."""

    def get(self) -> None:
        """Let torchvision download the data; it is loaded for nothing else."""
        self._torchvision(download=True)

    def by_hand(self) -> str:
        """Advice to take the files from another use of torchvision."""
        return f"put torchvision's copy into {self.folder}"

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
                    f"or {self.by_hand()} by hand."
                ) from error
            raise DataError(
                f"{self.registry_name} in {self.folder} is damaged: {error!r}. Remove it and download "
                f"it again with --dataset '{self.registry_name}[download=true]'."
            ) from error
