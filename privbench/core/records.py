"""Records: the frozen, typed, versioned result of one cell, with all that makes it checkable."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from privbench.core.errors import CorruptArtefact, UserError
from privbench.core.scale import Scale
from privbench.core.selector import parse_selector
from privbench.core.warned import WARNED

RECORD_VERSION = 3
PROTOCOL_VERSION = 1
"""Raised when splits, games or scoring change so that old figures are no longer comparable."""

STILL_IMPROVING = "still-improving"
"""The flag of an attack that spent its budget while it was getting better; what improved stands behind it."""
LARGEST_RECORD = 2**24
"""Bytes of the largest record that is read; those that are written stay far below."""
LONGEST_REASON = 2000
"""Characters that are kept of a reason."""

Status = Literal["ok", "failed", "not-applicable"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Figure(_Frozen):
    """One figure with its two-sided 95% interval; ``value`` is None where it is unavailable."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0
    note: str = ""


class Cell(_Frozen):
    """Which cell of the benchmark a record is about; all names are canonical selectors.

    ``options`` are those that override the scale, such as ``epochs=5,optimizer=st-adam``.
    """

    dataset: str
    model: str
    defense: str
    attack: str
    game: str
    seed: int
    scale: Scale
    task: str = "classes"
    options: str = ""


class Provenance(_Frozen):
    """What a stranger needs to trust or repeat the cell.

    ``instructions`` is the CPU's instruction set, under which the same seeds give other weights than
    under another one; empty where it was not recorded. ``hashes["columns"]`` is the checksum of the file
    of per-sample columns.
    """

    config: dict[str, Any]
    seeds: dict[str, int]
    hashes: dict[str, str]
    versions: dict[str, str]
    git: str
    device: str
    instructions: str = ""


class Cost(_Frozen):
    """What the cell cost; not part of what must repeat byte for byte.

    ``attack_seconds`` is wall time. ``fit`` trains the defended model, ``plain_fit`` the undefended one;
    these seconds are processor time on a CPU, and wall time on CUDA. Peak memory is the GPU's for the
    cell, or on a CPU the process's so far.
    """

    attack_seconds: float = 0.0
    fit_seconds: float = 0.0
    plain_fit_seconds: float = 0.0
    inference_images_per_second: float = 0.0
    plain_inference_images_per_second: float = 0.0
    peak_memory_mib: float = 0.0


class Record(_Frozen):
    """The result of one cell. ``figures`` repeat exactly on the CPU; ``cost`` does not.

    ``key`` is that of the guess. ``scored`` holds a hash for each metric that made a figure, so that a
    new or changed metric scores the kept guess again and nothing is played again. ``trace`` says of a
    failed cell where in the code, the innermost place last. ``exposes`` names the defense's surfaces.
    """

    record_version: int = RECORD_VERSION
    protocol_version: int = PROTOCOL_VERSION
    key: str
    scored: dict[str, str] = {}
    cell: Cell
    status: Status
    reason: str = ""
    trace: tuple[str, ...] = ()
    threat: dict[str, str] = {}
    exposes: tuple[str, ...] = ()
    figures: dict[str, Figure] = {}
    utility: dict[str, Figure] = {}
    plain_utility: dict[str, Figure] = {}
    release: dict[str, Figure] = {}
    guarantee: dict[str, float | str] = {}
    queries: dict[str, int] = {}
    log: dict[str, list[float]] = {}
    flags: tuple[str, ...] = ()
    provenance: Provenance
    cost: Cost = Cost()


def _digest(body: dict[str, Any]) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


_MAY_DIFFER = ("git", "device", "instructions", "versions")
"""What of a record's provenance says where and when, not what came out."""


def content_hash(record: Record) -> str:
    """Hash of all that must be the same when the cell is run again.

    Cost, machine, versions and what libraries warned of (which is their matter) are left out.
    """
    body = record.model_dump(mode="json", exclude={"cost"})
    body["flags"] = [flag for flag in body["flags"] if not flag.startswith(f"{WARNED}: ")]
    body["provenance"] = {k: v for k, v in body["provenance"].items() if k not in _MAY_DIFFER}
    return _digest(body)


def dump_record(record: Record) -> str:
    """The record as JSON text with its checksum."""
    body = record.model_dump(mode="json")
    text = json.dumps({**body, "checksum": _digest(body)}, indent=1, sort_keys=True, ensure_ascii=False)
    # JSON leaves these as they are, and terminals act on them.
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def load_record(text: str, name: str) -> Record:
    """Read a record from JSON text; ``name`` is for messages.

    Raises:
        CorruptArtefact: the text is no record of this version or does not match its checksum.
    """
    try:
        body = json.loads(text, parse_constant=_refused)
        checksum = body.pop("checksum")
        if body.get("record_version") not in range(1, RECORD_VERSION + 1):
            raise CorruptArtefact(
                f"{name} has record version {body.get('record_version')}; this version of privbench reads "
                f"1 to {RECORD_VERSION}"
            )
        if checksum != _digest(body):
            raise CorruptArtefact(f"{name} does not match its checksum")
        version = body["record_version"]
        body["record_version"] = RECORD_VERSION
        record = Record.model_validate(_upgraded(body) if version == 1 else body)
        for selector in (record.cell.model, record.cell.task, record.cell.defense, record.cell.attack):
            parse_selector(selector)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError, UserError) as error:
        raise CorruptArtefact(f"{name} is not a readable record: {type(error).__name__}") from error
    return record


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no figure")


def _upgraded(body: dict[str, Any]) -> dict[str, Any]:
    """A record of version 1, in which the attribute game was called ``feature``, as one of today.

    Its key is that of another scheme, so that a run plays the cell again; its figures stand.
    """
    figures = {renamed_metric(name): figure for name, figure in body["figures"].items()}
    flags = [" ".join(map(renamed_metric, flag.split(" "))) for flag in body["flags"]]
    cell = {**body["cell"], "game": {"feature": "attribute"}.get(body["cell"]["game"], body["cell"]["game"])}
    return {**body, "cell": cell, "figures": figures, "flags": flags}


def renamed_metric(metric: str) -> str:
    """The present name of a metric of a version 1 record."""
    return re.sub(r"^feature-(mcc|accuracy)$", r"attribute-\1", metric)
