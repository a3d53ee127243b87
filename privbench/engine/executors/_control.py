"""What the engine says to its server: once a configuration, then a request for each process.

Both sides read exact sizes, since a stream does not keep descriptors with the bytes they came with.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

_SIZE = struct.Struct("!I")


@dataclass(frozen=True)
class Config:
    """What to import first and when idle, from where, and whose process number must stay the parent's."""

    preload: list[str]
    path: list[str]
    later: list[str]
    engine: int


@dataclass(frozen=True)
class Request:
    """Run ``entry`` on ``channel``, for as long as ``life`` is open."""

    entry: str
    channel: socket.socket
    life: socket.socket


def send_config(
    control: socket.socket, preload: Sequence[str], path: Sequence[str], later: Sequence[str]
) -> None:
    """Say the first thing."""
    said = {"preload": list(preload), "path": list(path), "later": list(later), "engine": os.getpid()}
    config = json.dumps(said).encode()
    control.sendall(_SIZE.pack(len(config)) + config)


def receive_config(control: socket.socket) -> Config:
    """Wait for the first thing.

    Raises:
        EOFError: the engine has gone.
    """
    return Config(**json.loads(_exactly(control, *_SIZE.unpack(_exactly(control, _SIZE.size)))))


def send_request(control: socket.socket, request: Request) -> None:
    """Ask for a process.

    Raises:
        OSError: the server has gone.
    """
    entry = request.entry.encode()
    ends = [request.channel.fileno(), request.life.fileno()]
    socket.send_fds(control, [_SIZE.pack(len(entry)), entry], ends)


def receive_request(control: socket.socket) -> Request | None:
    """The next request; None where the engine has gone."""
    try:
        head, ends, _, _ = socket.recv_fds(control, _SIZE.size, 2)
        entry = _exactly(control, *_SIZE.unpack(head)).decode()
        channel, life = (socket.socket(fileno=number) for number in ends)
    except (OSError, struct.error, ValueError, EOFError):
        return None
    return Request(entry, channel, life)


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = connection.recv(size - len(got))
        if not more:
            raise EOFError
        got += more
    return got
