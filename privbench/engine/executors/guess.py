"""What executors share: an attack's answer, and how its failure is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from privbench.core.errors import PrivbenchError
from privbench.core.game import Challenge
from privbench.engine.adversary import Adversary

IN_PROCESS = "in-process: the truth was in the attack's reach"
"""The remark on records of attacks that ran in the engine."""


@dataclass(frozen=True)
class Answer:
    """What an attack gave back: its guess, not yet checked, its log, and what libraries warned of."""

    guess: object
    log: dict[str, list[float]]
    warnings: tuple[str, ...] = ()


class AttackFailed(PrivbenchError):
    """An attack raised something, ended its process, or took too long.

    Attributes:
        text: what happened, in a sentence.
        trace: where in its code, the innermost place last.
    """

    def __init__(self, text: str, trace: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.text, self.trace = text, trace


class Executor(Protocol):
    """Lets an attack guess."""

    flags: ClassVar[tuple[str, ...]]
    """Remarks on every record that it made."""

    def start(self) -> None:
        """Prepare what takes long, while the engine does other things."""
        ...

    def guess(self, adversary: Adversary, challenge: Challenge) -> Answer:
        """The attack's answer.

        Raises:
            AttackFailed: there is none.
        """
        ...
