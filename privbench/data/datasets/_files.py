"""What datasets share: finding and hashing files."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from privbench.core.dataset import DatasetSource
from privbench.core.errors import DataError


def package_folder(package: str, advice: str) -> Path:
    """The folder of an installed ``package``, found without importing it.

    Raises:
        DataError: it is not installed; the message ends with ``advice``.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(f"the package {package!r}, which holds the images, is not installed. {advice}")
    return Path(spec.submodule_search_locations[0])


def digest(source: DatasetSource, files: Iterable[Path], without: Collection[str] = ()) -> str:
    """SHA-256 over the source's name, its options except ``without``, and the files' names and bytes.

    Raises:
        DataError: a file cannot be read.
    """
    # Where nothing is cut the hash is that of a time before ``crop``.
    absent = {"crop"} if source.crop is None else set()
    options = {key: value for key, value in source.model_dump().items() if key not in {*without, *absent}}
    total = hashlib.sha256(f"{source.registry_name}|{sorted(options.items())}|".encode())
    for path in files:
        try:
            with path.open("rb") as file:
                inner = hashlib.file_digest(file, "sha256")
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror or error}.") from error
        total.update(os.fsencode(path.name) + f"|{inner.hexdigest()}|".encode())
    return total.hexdigest()
