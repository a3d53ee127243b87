"""Messages over a socket, between the engine and the process that runs an attack.

The two sides take turns: one asks and then only receives until the answer has come. Two sides that
both send more than the socket's buffer holds would wait for each other for ever, unless ``timeout``
ends it.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import torch

from privbench.engine.executors.errors import ChannelClosed, ChannelTimeout, ProtocolError
from privbench.engine.executors.message import Header, Message, decode, encode, raw, room

HEADER_LIMIT = 4 * 2**20
TOTAL_LIMIT = 8 * 2**30

_PREFIX = struct.Struct("!4sIQ")
_MAGIC = b"PBM1"
_BUFFERS_A_CALL = 512
# macOS gives 8 KiB, a thousand switches between the two for 7 MB; more than this is not faster.
_SOCKET_BUFFER = 2**20


class Channel:
    """One end of a connection; not to be shared between threads."""

    def __init__(
        self,
        connection: socket.socket,
        *,
        header_limit: int = HEADER_LIMIT,
        total_limit: int = TOTAL_LIMIT,
    ) -> None:
        """Take over a connected stream socket.

        Args:
            connection: closed with the channel.
            header_limit: bytes that the header of a message may have.
            total_limit: bytes that a message may have in all.
        """
        self._socket = connection
        self._header_limit = header_limit
        self._total_limit = total_limit
        self._usable = True
        for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
            if connection.getsockopt(socket.SOL_SOCKET, option) < _SOCKET_BUFFER:
                connection.setsockopt(socket.SOL_SOCKET, option, _SOCKET_BUFFER)

    def send(self, message: Message, timeout: float | None = None) -> None:
        """Send a message; returns when all of it is on its way.

        Args:
            message: what to send.
            timeout: seconds in which the other side must have taken it; None waits for ever.

        Raises:
            ProtocolError: the message cannot travel; nothing was sent.
            ChannelClosed: the other side has closed the channel or has ended.
            ChannelTimeout: the other side did not take it in time; the channel is of no more use.
        """
        header, body = encode(message)
        size = sum(len(buffer) for buffer in body)
        self._check_sizes(len(header), size)
        self._check_usable()
        buffers = [memoryview(_PREFIX.pack(_MAGIC, len(header), size) + header), *body]
        self._usable = False
        deadline = _deadline(timeout)
        while buffers:
            sent = self._transfer(deadline, self._socket.sendmsg, buffers[:_BUFFERS_A_CALL])
            done = 0
            while done < len(buffers) and sent >= len(buffers[done]):
                sent -= len(buffers[done])
                done += 1
            del buffers[:done]
            if sent:
                buffers[0] = buffers[0][sent:]
        self._usable = True

    def receive(self, timeout: float | None = None) -> Message:
        """Receive the next message.

        Args:
            timeout: seconds in which all of it must have come; None waits for ever.

        Raises:
            ProtocolError: what came is no message, exceeds the limits, or ends in the middle; the
                channel is of no more use.
            ChannelClosed: the other side has closed the channel or has ended.
            ChannelTimeout: not all came in time. Where nothing came at all, the channel stays usable.
        """
        self._check_usable()
        deadline = _deadline(timeout)
        prefix = bytearray(_PREFIX.size)
        self._fill(memoryview(prefix), deadline, start=True)
        magic, header_size, body_size = _PREFIX.unpack(prefix)
        if magic != _MAGIC:
            raise ProtocolError("what came over the channel is not a message.")
        self._check_sizes(header_size, body_size)
        text = bytearray(header_size)
        self._fill(memoryview(text), deadline)
        header = decode(bytes(text))
        if header.body_size != body_size:
            raise ProtocolError(f"a message announces {body_size} bytes and {header.body_size} bytes.")
        message = self._receive_body(header, deadline)
        self._usable = True
        return message

    def close(self) -> None:
        """Close the channel; the other side sees it, also where a forked process still holds this end."""
        self._usable = False
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _receive_body(self, header: Header, deadline: float | None) -> Message:
        tensors = {}
        for name, dtype, shape in header.tensors:
            tensors[name] = tensor = room(dtype, shape)
            self._fill(raw(tensor), deadline)
            if dtype is torch.bool and bool((tensor.view(torch.uint8) > 1).any()):
                raise ProtocolError(f"tensor {name!r} has truth values other than 0 and 1.")
        blob = raw(room(torch.uint8, (header.blob,)))
        self._fill(blob, deadline)
        return Message(header.name, header.fields, tensors, bytes(blob))

    def _fill(self, buffer: memoryview, deadline: float | None, *, start: bool = False) -> None:
        got = 0
        while got < len(buffer):
            try:
                count = self._transfer(deadline, self._socket.recv_into, buffer[got:])
            except ChannelTimeout:
                self._usable = start and not got
                raise
            if not count and start and not got:
                raise _closed()
            if not count:
                raise ProtocolError("a message ends before its end; the other side has gone.")
            got += count
            self._usable = False

    def _transfer(self, deadline: float | None, call: Callable[[Any], int], buffer: Any) -> int:
        try:
            self._socket.settimeout(None if deadline is None else max(0.0, deadline - time.monotonic()))
            return call(buffer)
        except (TimeoutError, BlockingIOError) as error:
            raise ChannelTimeout("the other side did not answer in the time given.") from error
        except OSError as error:
            raise _closed() from error

    def _check_usable(self) -> None:
        if not self._usable:
            raise _closed()

    def _check_sizes(self, header: int, body: int) -> None:
        if header > self._header_limit or header + body > self._total_limit:
            raise ProtocolError(
                f"a message of {header} + {body} bytes exceeds the limits of {self._header_limit} bytes for "
                f"the header and {self._total_limit} in all. Send less at once."
            )


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _closed() -> ChannelClosed:
    return ChannelClosed("the channel is closed: the other side has closed it or has ended.")
