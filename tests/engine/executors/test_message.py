"""Headers: what is written is read, and what was not written by us is refused."""

import json

import pytest
import torch

from privbench.engine.executors.errors import ProtocolError
from privbench.engine.executors.message import DTYPES, MAX_DEPTH, Message, decode, encode


def header(**changes):
    good = {"name": "a", "fields": {}, "tensors": [["x", "float32", [2, 3]]], "blob": 0}
    return json.dumps({**good, **changes}).encode()


def test_a_good_header_is_read():
    read = decode(header(blob=5))
    assert read.tensors == (("x", torch.float32, (2, 3)),)
    assert read.body_size == 29


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"1" * 10_000,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        header(name=3),
        header(fields=[]),
        header(fields={"a": "\ud800"}),
        header(extra=1),
        header(tensors={}),
        header(tensors=[["x", "float32"]]),
        header(tensors=[["x", "float32", 3]]),
        header(tensors=[[1, "float32", [3]]]),
        header(tensors=[["x", "object", [3]]]),
        header(tensors=[["x", "Tensor", [3]]]),
        header(tensors=[["x", ["float32"], [3]]]),
        header(tensors=[["x", "float32", [-1]]]),
        header(tensors=[["x", "float32", [True]]]),
        header(tensors=[["x", "float32", [1.0]]]),
        header(tensors=[["x", "float32", [2**63]]]),
        header(tensors=[["x", "float32", [1] * 65]]),
        header(tensors=[["x", "float32", [1]], ["x", "float32", [1]]]),
        header(tensors=[["x", "float32", [0]]] * 100_001),
        header(blob=-1),
        header(blob=None),
        header(blob=2**70),
    ],
    ids=lambda bad: bad[:60].decode(errors="replace"),
)
def test_a_bad_header_is_refused(bad):
    with pytest.raises(ProtocolError):
        decode(bad)


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def test_depth_is_bounded_on_both_sides():
    encode(Message("a", {"x": nested(MAX_DEPTH - 1)}))
    decode(header(fields={"x": nested(MAX_DEPTH - 1)}))
    for depth in (MAX_DEPTH, 100_000):
        with pytest.raises(ProtocolError):
            encode(Message("a", {"x": nested(depth)}))
    with pytest.raises(ProtocolError, match=str(MAX_DEPTH)):
        decode(header(fields={"x": nested(MAX_DEPTH)}))


@pytest.mark.parametrize(
    "message",
    [
        Message("a", {"x": object()}),
        Message("a", {"x": torch.ones(1)}),
        Message("a", tensors={"x": [1.0]}),
        Message("a", tensors={"x": torch.ones(3).to_sparse()}),
        Message("a", tensors={"x": torch.empty(3, device="meta")}),
        Message("a", tensors={"x": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8)}),
    ],
)
def test_what_cannot_travel_is_refused(message):
    with pytest.raises(ProtocolError, match=r"'[ax]'.*[Ss]end"):
        encode(message)


def test_text_without_utf_8_becomes_its_escape():
    text, _ = encode(Message("\udcff", {"\ud800": ["a\ud83d", "\U0001f600", "\\ud800"]}))
    read = decode(text)
    assert read.name == "\\udcff"
    assert read.fields == {"\\ud800": ["a\\ud83d", "\U0001f600", "\\ud800"]}


def test_every_dense_cpu_dtype_travels():
    here = {value for value in vars(torch).values() if isinstance(value, torch.dtype)}
    packed = {d for d in here if any(part in str(d) for part in ("qint", "quint", "bits", "fn_x2"))}
    narrow = {d for d in here if str(d) in {f"torch.{s}int{n}" for s in ("", "u") for n in range(1, 8)}}
    assert set(DTYPES.values()) == here - packed - narrow


def test_a_contiguous_tensor_is_not_copied():
    x = torch.zeros(4)
    _, (buffer,) = encode(Message("a", tensors={"x": x}))
    x[0] = 1
    assert bytes(buffer[:4]) != bytes(4)
