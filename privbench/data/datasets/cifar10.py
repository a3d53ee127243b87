"""CIFAR-10: 60,000 small colour images of ten classes."""

from __future__ import annotations

import hashlib
import math
import shutil
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

import torch

from privbench.core.dataset import Dataset
from privbench.core.errors import DataError, UserError
from privbench.core.images import LabelledImages
from privbench.core.registry import register
from privbench.data import download
from privbench.data.checks import checked_dataset
from privbench.data.datasets._downloaded import DownloadedSource

# The authors publish MD5 digests. Several public projects record this SHA-256 of the archive, and that of
# the test batch, independently of each other; those of the training batches are recorded by one.
_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_ARCHIVE = "cifar-10-binary.tar.gz"
_ARCHIVE_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
_ARCHIVE_SIZE = 170_052_171
_FOLDER = "cifar-10-batches-bin"
_SHA256 = {
    "data_batch_1.bin": "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
    "data_batch_2.bin": "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
    "data_batch_3.bin": "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
    "data_batch_4.bin": "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
    "data_batch_5.bin": "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
    "test_batch.bin": "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
}
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_SHAPE = (3, 32, 32)


@register("cifar10")
class Cifar10(DownloadedSource):
    """60,000 colour images 32×32, the training and the test set one after the other.

    The binary version is read, not the Python version, which is pickled.
    """

    source = "Krizhevsky, Learning multiple layers of features from tiny images, 2009"

    def load(self) -> Dataset:
        """Read all images: 184 MB.

        Raises:
            DataError: absent, not the published files, or a failed download.
        """
        import numpy as np

        self.require()
        content = bytearray().join(self._checked(path) for path in self.files())
        # A record is one byte of label, then the red, green and blue plane, row by row.
        records = np.frombuffer(content, np.uint8).reshape(-1, 1 + math.prod(_SHAPE))
        labels = torch.from_numpy(records[:, 0].astype(np.int64))
        images = torch.from_numpy(records[:, 1:].reshape(-1, *_SHAPE)).contiguous()
        return checked_dataset(self.selector, LabelledImages(images, labels), _CLASSES)

    def files(self) -> list[Path]:
        """The unpacked batches."""
        return [self.folder / _FOLDER / name for name in _SHA256]

    def by_hand(self) -> str:
        """Advice to unpack the archive."""
        return f"unpack {_URL} into {self.folder}"

    def get(self) -> None:
        """Download the archive unless it is there, and unpack the batches.

        Raises:
            DataError: no connection, no place to write, or an archive that does not match its pin.
        """
        archive = self.folder / _ARCHIVE
        try:
            download.fetch(_URL, archive, sha256=_ARCHIVE_SHA256, size=_ARCHIVE_SIZE, progress=_report)
        except UserError as error:
            raise DataError(f"the download of {self.registry_name} failed: {error}") from error
        try:
            self._unpack(archive)
        except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
            raise DataError(
                f"{archive} could not be unpacked: {error}. Check that {self.folder} can be written and "
                "has 200 MB free, or remove the archive and try again."
            ) from error

    def _unpack(self, archive: Path) -> None:
        target = self.folder / _FOLDER
        # Names, modes and links of the archive reach no disk: only the content of plain files is taken.
        with (
            tempfile.TemporaryDirectory(dir=self.folder, prefix=f".{_FOLDER}.") as part,
            tarfile.open(archive, "r:gz") as tar,
        ):
            wanted = {PurePosixPath(_FOLDER, name): Path(part, name) for name in _SHA256}
            for member in tar:
                place = wanted.get(PurePosixPath(member.name))
                content = tar.extractfile(member) if place and member.isfile() else None
                if place and content:
                    with content, place.open("wb") as file:
                        shutil.copyfileobj(content, file)
            missing = [str(name) for name, place in wanted.items() if not place.exists()]
            if missing:
                raise tarfile.ReadError(f"it does not hold {', '.join(missing)}")
            target.mkdir(exist_ok=True)
            # Whole files only, and all of them, make the data present: a stop in between does no harm.
            for place in wanted.values():
                place.replace(target / place.name)

    def _checked(self, path: Path) -> bytes:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}.") from error
        found = hashlib.sha256(content).hexdigest()
        if found != _SHA256[path.name]:
            raise DataError(
                f"{self.registry_name} in {self.folder} is damaged: {path} ({len(content):,} bytes) has "
                f"SHA-256 {found}, not the published {_SHA256[path.name]}. Remove {path.parent} and download "
                f"it again with --dataset '{self.registry_name}[download=true]'."
            )
        return content


def _report(done: int, total: int) -> None:
    mib = done >> 20
    if sys.stderr.isatty() and (done >= total or mib % 16 == 0):
        sys.stderr.write(f"{_ARCHIVE}: {mib} of {total >> 20} MiB\n")
