"""Errors that a person reads: what was wrong, what was expected, what to do next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PrivbenchError(Exception):
    """Base of every error that privbench raises on purpose; the command line exits with 1."""


class UserError(PrivbenchError):
    """A mistake in what the user asked for; the command line exits with 2 and shows no traceback."""


class DataError(UserError):
    """Images, labels or files that cannot be used as they are."""


class SurfaceMissing(PrivbenchError):
    """An attack asked its view for a surface that it did not declare, or that the defense does not expose."""


class NotDeclared(PrivbenchError):
    """An attack asked its view for what its declaration does not give it."""


class NotApplicable(PrivbenchError):
    """A game asks what these data do not say; the cell does not apply, and the message says why."""


class TrainingDiverged(PrivbenchError):
    """A training loss became NaN or infinite."""


class CorruptArtefact(PrivbenchError):
    """A cached file or record does not match its own checksum."""


def unknown(what: str, name: str, choices: Iterable[str]) -> UserError:
    """Build the error for an unknown ``name``, with the nearest of ``choices`` first."""
    known = sorted(set(choices))
    near = difflib.get_close_matches(shortened(name), known, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    listed = ", ".join(known) if known else "none"
    return UserError(f"unknown {what} {shortened(name)!r}. {hint}Choices: {listed}.")


def shortened(text: str, most: int = 200) -> str:
    """``text``, or its beginning where it is long."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def counted(number: int, noun: str) -> str:
    """``1 image``, ``2 images``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class CannotWrite(PrivbenchError):
    """A result cannot be stored: the disk is full or the folder is not writable."""
