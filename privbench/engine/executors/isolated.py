"""Attacks in processes of their own, which hold what the attack declared and nothing else.

This keeps an attack from the truth by accident, and from other cells: no frame, object, argument,
descriptor, environment variable or working folder leads to it, and what it changes ends with it. It
does not keep out code that sets out to break in: the process runs with the user's rights, may read
the user's files and may derive the split of a public dataset from a small seed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from privbench.core.errors import CannotWrite, PrivbenchError
from privbench.core.game import Challenge
from privbench.core.images import LabelledImages
from privbench.core.printable import one_line
from privbench.core.records import LONGEST_REASON
from privbench.core.warned import once
from privbench.engine.adversary import Adversary
from privbench.engine.executors.child import Child
from privbench.engine.executors.environment import import_path
from privbench.engine.executors.errors import ChannelClosed, ChannelTimeout, ProtocolError
from privbench.engine.executors.forkserver import ForkServer
from privbench.engine.executors.guess import Answer, AttackFailed
from privbench.engine.executors.jobs import jobs_in, trained_out
from privbench.engine.executors.message import Message
from privbench.engine.executors.parcel import packed, plugin_files
from privbench.engine.executors.running import clean_log
from privbench.engine.keys import with_uses

_GUEST = "privbench.engine.executors.guest"
PRELOADED = (_GUEST,)
"""What the server imports before it forks: torch, and what every attack's process runs."""
_LAST_WORDS = 5.0


class Isolated:
    """Runs each attack in a fresh process, and answers what it asks."""

    flags: ClassVar[tuple[str, ...]] = ()

    def __init__(self, server: ForkServer, timeout: float | None = None) -> None:
        """Start nothing yet.

        Args:
            server: forks the processes; it is the caller's, who closes it.
            timeout: seconds of its own that an attack may take; what the engine trains for it is not
                counted. None: no limit.
        """
        self._server, self._timeout = server, timeout

    def start(self) -> None:
        """Let the server import while the engine does other things."""
        self._server.start()

    def guess(self, adversary: Adversary, challenge: Challenge) -> Answer:
        """The attack's answer.

        Raises:
            AttackFailed: it raised something, ended its process, said what is no answer, or took too long.
        """
        content = {
            "attack": adversary.attack,
            "challenge": challenge,
            "fields": adversary.view_fields(),
            "shadow_seed": adversary.shadow_seed,
            "threads": torch.get_num_threads(),
        }
        setting = adversary.defender.setting
        methods = with_uses(
            [adversary.attack, adversary.defense, adversary.game, setting.model, setting.task]
        )
        blob, tensors = packed(content, methods, import_path())
        with self._server.spawn(f"{_GUEST}:main") as child:
            try:
                child.channel.send(
                    Message("start", {"files": plugin_files(methods)}, tensors, blob), self._timeout
                )
                return self._served(child, adversary)
            except ChannelTimeout as error:
                raise AttackFailed(
                    f"the attack took more than {self._timeout:g} s (--cell-timeout) and was ended"
                ) from error
            except ChannelClosed as error:
                status = child.wait(_LAST_WORDS)
                raise AttackFailed(f"the attack's process ended without an answer: {status}") from error
            except ProtocolError as error:
                raise AttackFailed(f"the attack's process said what is no answer: {error}") from error

    def _served(self, child: Child, adversary: Adversary) -> Answer:
        spent = 0.0
        while True:
            begin = time.monotonic()
            left = None if self._timeout is None else max(0.0, self._timeout - spent)
            message = child.channel.receive(left)
            spent += time.monotonic() - begin
            if message.name == "guess":
                warned = once(_texts(message.fields.get("warnings")))
                return Answer(message.tensors["guess"], clean_log(message.fields["log"]), warned)
            if message.name == "failed":
                text = one_line(str(message.fields["text"]), LONGEST_REASON)
                raise AttackFailed(text, _texts(message.fields["trace"]))
            if message.name == "progress":
                _pass_on(adversary, message.fields)
            else:
                child.channel.send(_answered(adversary, message), self._timeout)


def _answered(adversary: Adversary, message: Message) -> Message:
    """The answer to one request; an error is an answer too."""
    try:
        return _answer(adversary, message)
    except (CannotWrite, KeyboardInterrupt):
        raise
    except PrivbenchError as error:
        return Message("error", {"type": type(error).__name__, "text": str(error)})
    except Exception as error:  # noqa: BLE001 - of the defense's code, or of inputs that make no sense
        return Message("error", {"type": "PrivbenchError", "text": f"{type(error).__name__}: {error}"})


def _answer(adversary: Adversary, message: Message) -> Message:
    fields: Mapping[str, Any] = message.fields
    tensors = dict(message.tensors)
    if message.name == "ask":
        return Message("answer", {}, adversary.ask(fields["surface"], tensors))
    if message.name == "released":
        return Message("answer", {}, adversary.released())
    if message.name == "train":
        jobs = jobs_in(fields["jobs"], tensors, adversary.trainable())
        models = adversary.train(jobs, str(fields["text"]))
    elif message.name == "shadows":
        data = LabelledImages(
            tensors["images"], tensors["labels"], tensors.get("identities"), tensors.get("attributes")
        )
        models = adversary.shadows(data, int(fields["count"]))
    else:
        raise PrivbenchError(f"an attack asks for {message.name!r}, which there is not")
    described, weights = trained_out(models)
    return Message("trained", {"models": described}, weights)


def _pass_on(adversary: Adversary, fields: Mapping[str, Any]) -> None:
    done, total, text = fields.get("done"), fields.get("total"), fields.get("text")
    if isinstance(done, int) and isinstance(total, int) and isinstance(text, str):
        adversary.progress(done, total, text)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(one_line(str(entry), 500) for entry in value[-20:]) if isinstance(value, list) else ()
