"""A message as bytes: a JSON header, then raw tensors, then opaque bytes.

The header names each tensor's dtype and shape, so that both sides know every size before a byte of
the body travels. Reading a header executes nothing and believes nothing: it comes from the process
that runs the attack. Numbers travel in this machine's byte order; both sides run on it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch

from privbench.engine.executors.errors import ProtocolError

JSON: TypeAlias = bool | int | float | str | list[Any] | dict[str, Any] | None

MAX_DEPTH = 32
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 64

_NAMES = """bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64
complex32 bcomplex32 complex64 complex128
float8_e4m3fn float8_e4m3fnuz float8_e5m2 float8_e5m2fnuz float8_e8m0fnu"""
DTYPES: dict[str, torch.dtype] = {n: getattr(torch, n) for n in _NAMES.split() if hasattr(torch, n)}
_NAME_OF = {dtype: name for name, dtype in DTYPES.items()}


@dataclass(frozen=True, eq=False)
class Message:
    """What one side says to the other.

    Attributes:
        name: what is asked or answered.
        fields: JSON values, NaN and infinities included; tuples arrive as lists.
        tensors: dense tensors of the dtypes in ``DTYPES``; they arrive contiguous, on the CPU, without
            a graph.
        blob: bytes that this package never looks into.
    """

    name: str
    fields: Mapping[str, JSON] = field(default_factory=dict)
    tensors: Mapping[str, torch.Tensor] = field(default_factory=dict)
    blob: bytes = b""


def raw(tensor: torch.Tensor) -> memoryview:
    """The bytes of a contiguous CPU tensor, without a copy."""
    # A contiguous tensor of one element may have any stride.
    flat = tensor.as_strided((tensor.numel(),), (1,))
    return flat.view(torch.uint8).numpy().data


def room(dtype: torch.dtype, shape: tuple[int, ...]) -> torch.Tensor:
    """A tensor whose memory is not touched, so that a size that is a lie costs none.

    Raises:
        ProtocolError: there is no such tensor, or no such memory.
    """
    try:
        storage = torch.UntypedStorage(math.prod(shape) * dtype.itemsize)  # type: ignore[no-untyped-call]
        return torch.empty(0, dtype=dtype).set_(storage).reshape(shape)
    except (RuntimeError, TypeError, MemoryError, OverflowError) as error:
        raise ProtocolError("a message announces more than this process can hold.") from error


def encode(message: Message) -> tuple[bytes, list[memoryview]]:
    """A message's header and the buffers of its body; contiguous CPU tensors are not copied.

    Text that UTF-8 cannot say (lone surrogates) is replaced by its escape.

    Raises:
        ProtocolError: a field is not JSON or nested too deep, a tensor is not dense or of no dtype
            that travels.
    """
    described, body = [], []
    for name, tensor in message.tensors.items():
        dense = _dense(name, tensor)
        described.append([name, _NAME_OF[dense.dtype], list(dense.shape)])
        if dense.numel():
            body.append(raw(dense))
    if message.blob:
        body.append(memoryview(message.blob).cast("B"))
    try:
        header = {
            "name": message.name,
            "fields": dict(message.fields),
            "tensors": described,
            "blob": len(message.blob),
        }
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ProtocolError(
            f"message {message.name!r} has a field that is not JSON ({_short(error)}). Send numbers, text, "
            "lists and dictionaries as fields, tensors as tensors."
        ) from error
    # Twice a backslash: the reader gets the six characters, not the surrogate again.
    text = re.sub("[\ud800-\udfff]", lambda found: f"\\\\u{ord(found[0]):04x}", text)
    _bound_depth(header["fields"])
    return text.encode(), body


@dataclass(frozen=True)
class Header:
    """What a header announces: ``tensors`` holds each one's name, dtype and shape."""

    name: str
    fields: dict[str, JSON]
    tensors: tuple[tuple[str, torch.dtype, tuple[int, ...]], ...]
    blob: int

    @property
    def body_size(self) -> int:
        """Bytes of tensors and blob."""
        return self.blob + sum(math.prod(shape) * dtype.itemsize for _, dtype, shape in self.tensors)


def decode(header: bytes) -> Header:
    """Read a header that anyone may have written.

    Raises:
        ProtocolError: it is not a header.
    """
    try:
        read = json.loads(header)
        if b"\\u" in header:
            json.dumps(read, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a message's header is not JSON in UTF-8 ({_short(error)}).") from error
    if not isinstance(read, dict) or read.keys() != {"name", "fields", "tensors", "blob"}:
        raise ProtocolError("a message's header has not the keys name, fields, tensors, blob.")
    name, fields, tensors, blob = read["name"], read["fields"], read["tensors"], read["blob"]
    if not (isinstance(name, str) and isinstance(fields, dict) and isinstance(tensors, list)):
        raise ProtocolError("a message's header has a name, fields or tensors of the wrong type.")
    if not _is_size(blob) or len(tensors) > MAX_TENSORS:
        raise ProtocolError("a message's header announces a blob or a number of tensors that cannot be.")
    _bound_depth(fields)
    described = tuple(_described(entry) for entry in tensors)
    if len({entry[0] for entry in described}) < len(described):
        raise ProtocolError("a message's header names a tensor twice.")
    return Header(name, fields, described, blob)


def _described(entry: object) -> tuple[str, torch.dtype, tuple[int, ...]]:
    match entry:
        case [str(name), str(dtype), list(shape)] if (
            dtype in DTYPES
            and len(shape) <= MAX_DIMENSIONS
            and all(map(_is_size, shape))
            # An empty tensor's strides count its other dimensions all the same.
            and math.prod(max(size, 1) for size in shape) < 2**63
        ):
            return name, DTYPES[dtype], tuple(shape)
    raise ProtocolError(f"a message's header describes a tensor as {_short(entry)}, which none can be.")


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _bound_depth(value: object) -> None:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        inner = [item.values() if isinstance(item, dict) else item for item in level]
        level = [item for items in inner for item in items if isinstance(item, (dict, list, tuple))]
        if not level:
            return
    raise ProtocolError(f"a message's fields are nested more than {MAX_DEPTH} deep.")


def _dense(name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not isinstance(tensor, torch.Tensor):
        raise ProtocolError(f"tensor {name!r} is a {type(tensor).__name__}. Send a torch.Tensor.")
    if tensor.layout is not torch.strided or tensor.is_meta or tensor.dtype not in _NAME_OF:
        raise ProtocolError(
            f"tensor {name!r} ({tensor.dtype}, {tensor.layout}, on {tensor.device}) cannot be sent. Send a "
            f"dense tensor of one of: {', '.join(DTYPES)}."
        )
    return tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()


def _short(value: object) -> str:
    text = str(value) if isinstance(value, Exception) else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
