"""What runs in an attack's process: unpack what the engine sent, let the attack guess, answer."""

from __future__ import annotations

import os
from typing import Any, NoReturn

import torch

from privbench.core import errors
from privbench.core.errors import PrivbenchError
from privbench.core.images import LabelledImages
from privbench.core.plugin_files import load_file
from privbench.core.port import Shadows, Tensors
from privbench.core.training import TrainedModel, TrainingJob
from privbench.core.view import AdversaryView
from privbench.engine.executors.errors import ChannelClosed
from privbench.engine.executors.jobs import jobs_out, trained_in
from privbench.engine.executors.message import Message
from privbench.engine.executors.parcel import unpacked
from privbench.engine.executors.running import failure, run_attack
from privbench.engine.executors.wire import Channel
from privbench.engine.shadows import shadow_models


class RemotePort:
    """Asks the engine over a channel."""

    def __init__(self, channel: Channel, fields: dict[str, Any], shadow_seed: int) -> None:
        self._channel = channel
        self._fields, self._shadow_seed = fields, shadow_seed

    def ask(self, surface: str, inputs: Tensors) -> Tensors:
        """Query an oracle."""
        return dict(self._asked(Message("ask", {"surface": surface}, inputs)).tensors)

    def released(self) -> Tensors:
        """The whole release."""
        return dict(self._asked(Message("released")).tensors)

    def train(self, jobs: list[TrainingJob], text: str) -> list[TrainedModel]:
        """Have jobs trained."""
        described, tensors = jobs_out(jobs)
        return self._trained(Message("train", {"jobs": described, "text": text}, tensors))

    def shadows(self, data: LabelledImages, count: int) -> Shadows:
        """Have shadow models trained."""
        tensors = {"images": data.images, "labels": data.labels}
        for name in ("identities", "attributes"):
            value = getattr(data, name)
            if value is not None:
                tensors[name] = value
        trained = self._trained(Message("shadows", {"count": count}, tensors))
        view = AdversaryView(**{**self._fields, "public": None, "pairs": None}, port=self)
        return shadow_models(view, trained, self._shadow_seed, len(data))

    def progress(self, done: int, total: int, text: str) -> None:
        """Say how far the attack is."""
        self._channel.send(Message("progress", {"done": int(done), "total": int(total), "text": str(text)}))

    def _trained(self, message: Message) -> list[TrainedModel]:
        answer = self._asked(message)
        described: Any = answer.fields["models"]
        return trained_in(described, dict(answer.tensors))

    def _asked(self, message: Message) -> Message:
        try:
            self._channel.send(message)
            answer = self._channel.receive()
        except ChannelClosed:
            _leave()
        if answer.name == "error":
            kind = getattr(errors, str(answer.fields["type"]), PrivbenchError)
            raise kind(str(answer.fields["text"]))
        return answer


def main(channel: Channel) -> None:
    """Play one attack; see ``executors.isolated`` for the other end."""
    start = channel.receive()
    files: Any = start.fields["files"]
    for file in files:
        load_file(file)
    parcel: dict[str, Any] = unpacked(start.blob, dict(start.tensors))
    torch.set_num_threads(parcel["threads"])
    attack, fields = parcel["attack"], parcel["fields"]
    try:
        port = RemotePort(channel, fields, parcel["shadow_seed"])
        guess, log, warned = run_attack(attack, parcel["challenge"], fields, port)
        if not isinstance(guess, torch.Tensor):
            raise PrivbenchError(f"the guess is a {type(guess).__name__}; expected a tensor")
        # A plain tensor: what a subclass does ends here.
        plain = guess.detach().as_subclass(torch.Tensor).cpu()
        channel.send(Message("guess", {"log": dict(log), "warnings": list(warned)}, {"guess": plain}))
    except ChannelClosed:
        _leave()
    except BaseException as error:  # noqa: BLE001 - whatever it is, the engine must hear of it
        text, places = failure(error, attack)
        channel.send(Message("failed", {"text": text, "trace": list(places)}))


def _leave() -> NoReturn:
    """End at once: the engine has gone."""
    os._exit(1)
