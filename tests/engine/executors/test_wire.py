"""The channel: round trips, and frames that lie, break off or never come."""

import contextlib
import random
import socket
import struct
import threading
import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from privbench.engine.executors.errors import ChannelClosed, ChannelTimeout, ProtocolError
from privbench.engine.executors.message import DTYPES
from privbench.engine.executors.wire import Channel, Message


@pytest.fixture
def pair():
    left, right = socket.socketpair()
    ends = Channel(left), Channel(right)
    yield ends
    for end in ends:
        end.close()


@pytest.fixture
def raw_end():
    """A channel, and the other end as a plain socket."""
    left, right = socket.socketpair()
    channel = Channel(left, header_limit=1000, total_limit=2**40)
    yield channel, right
    channel.close()
    right.close()


def pass_on(message, **limits):
    left, right = socket.socketpair()
    sender, receiver = Channel(left, **limits), Channel(right)
    thread = threading.Thread(target=sender.send, args=(message,))
    thread.start()
    try:
        return receiver.receive(10)
    finally:
        thread.join()
        sender.close()
        receiver.close()


def bits(tensor):
    return tensor.reshape(-1).contiguous().view(torch.uint8).tolist()


def random_tensor(name, shape, seed):
    dtype = DTYPES[name]
    generator = torch.Generator().manual_seed(seed)
    size = torch.Size(shape).numel() * dtype.itemsize
    top = 2 if dtype is torch.bool else 256
    data = torch.randint(0, top, (size,), dtype=torch.uint8, generator=generator)
    return data.view(dtype).reshape(shape) if size else torch.empty(shape, dtype=dtype)


tensors = st.builds(
    random_tensor,
    st.sampled_from(sorted(DTYPES)),
    st.lists(st.integers(0, 4), max_size=4),
    st.integers(0, 2**32),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=100)
@given(
    st.text(),
    st.dictionaries(st.text(), json_values, max_size=3),
    st.dictionaries(st.text(), tensors, max_size=4),
    st.binary(max_size=100),
)
def test_what_is_sent_arrives(name, fields, sent, blob):
    got = pass_on(Message(name, fields, sent, blob))
    assert (got.name, got.fields, got.blob) == (name, fields, blob)
    assert list(got.tensors) == list(sent)
    for key, tensor in sent.items():
        assert got.tensors[key].dtype is tensor.dtype
        assert got.tensors[key].shape == tensor.shape
        assert bits(got.tensors[key]) == bits(tensor)


def test_numbers_that_json_does_not_know():
    got = pass_on(Message("a", {"x": [float("inf"), float("-inf"), float("nan")], "t": (1, 2)}))
    assert got.fields["x"][:2] == [float("inf"), float("-inf")]
    assert got.fields["x"][2] != got.fields["x"][2]
    assert got.fields["t"] == [1, 2]


def test_views_arrive_as_what_they_show():
    base = torch.arange(24.0).reshape(4, 6)
    graph = torch.ones(3, requires_grad=True) * 2
    sent = {
        "transposed": base.T,
        "strided": base[::2, 1::3],
        "expanded": torch.ones(1).expand(5),
        "conjugate": torch.tensor([1 + 2j]).conj(),
        "imaginary": torch.tensor([1 + 2j]).conj().imag,
        "graph": graph,
        "parameter": torch.nn.Parameter(torch.ones(2)),
    }
    got = pass_on(Message("a", tensors=sent)).tensors
    for key, tensor in sent.items():
        assert torch.equal(got[key], tensor), key
        assert got[key].is_contiguous()
        assert not got[key].requires_grad
    got["expanded"][0] = 3
    assert got["expanded"].tolist() == [3, 1, 1, 1, 1]


def test_more_buffers_than_one_call_takes_and_more_bytes_than_the_socket_holds():
    many = {str(k): torch.full((3,), k) for k in range(2000)}
    big = torch.arange(3_000_000)
    got = pass_on(Message("a", tensors={**many, "big": big}, blob=b"x" * 5_000_000))
    assert torch.equal(got.tensors["big"], big)
    assert all(torch.equal(got.tensors[k], v) for k, v in many.items())
    assert len(got.blob) == 5_000_000


def test_the_sender_keeps_to_its_limits():
    with pytest.raises(ProtocolError, match="Send less"):
        pass_on_refused(Message("a" * 100), header_limit=100)
    with pytest.raises(ProtocolError, match="Send less"):
        pass_on_refused(Message("a", blob=b"x" * 100), total_limit=100)


def pass_on_refused(message, **limits):
    left, right = socket.socketpair()
    with right:
        sender = Channel(left, **limits)
        try:
            sender.send(message)
        finally:
            # What could not be sent has left nothing behind.
            Channel.__init__(sender, left)
            sender.send(Message("next"))
            assert Channel(right).receive(1).name == "next"
            sender.close()


HEADER = b'{"name":"a","fields":{},"tensors":[["x","%s",[%s]]],"blob":%d}'


def frame(body, dtype=b"uint8", shape=b"4", blob=0, size=None, magic=b"PBM1"):
    text = HEADER % (dtype, shape, blob)
    return struct.pack("!4sIQ", magic, len(text), len(body) if size is None else size) + text + body


def test_a_frame_by_hand_is_read(raw_end):
    channel, other = raw_end
    other.sendall(frame(b"1234"))
    assert channel.receive(1).tensors["x"].tolist() == [49, 50, 51, 52]


@pytest.mark.parametrize(
    "lie",
    [
        frame(b"1234", magic=b"HTTP"),
        frame(b"123"),
        frame(b"12345"),
        frame(b"1234", shape=b"1,4611686018427387904"),
        frame(b"", shape=b"0,4611686018427387904,4611686018427387904"),
        frame(b"", size=2**63),
        frame(b"", blob=2**62, shape=b"0", size=2**62),
        frame(b"\0\1\2\1", dtype=b"bool"),
        frame(b"1234", dtype=b"qint8"),
        frame(b"1234", blob=1),
        struct.pack("!4sIQ", b"PBM1", 1001, 0),
        struct.pack("!4sIQ", b"PBM1", 2**32 - 1, 2**64 - 1),
        struct.pack("!4sIQ", b"PBM1", 3, 0) + b"nul",
        struct.pack("!4sIQ", b"PBM1", 0, 0),
    ],
)
def test_a_frame_that_lies_is_refused_at_once_and_nothing_more_is_read(raw_end, lie):
    channel, other = raw_end
    other.sendall(lie)
    start = time.monotonic()
    with pytest.raises(ProtocolError):
        channel.receive(10)
    assert time.monotonic() - start < 5
    other.sendall(frame(b"1234"))
    with pytest.raises(ChannelClosed):
        channel.receive(1)


def test_a_size_that_is_a_lie_costs_no_memory(raw_end):
    resource = pytest.importorskip("resource")
    channel, other = raw_end
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    other.sendall(frame(b"", shape=b"4000000000", blob=4_000_000_000, size=8_000_000_000))
    other.close()
    with pytest.raises(ProtocolError):
        channel.receive(10)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


@pytest.mark.parametrize("cut", [1, 15, 16, 20, 75])
def test_a_frame_that_breaks_off_is_refused(raw_end, cut):
    channel, other = raw_end
    other.sendall(frame(b"1234")[:cut])
    other.close()
    with pytest.raises(ProtocolError, match="before its end"):
        channel.receive(10)


def test_bytes_at_random_never_hang_nor_raise_anything_else():
    chance = random.Random(0)
    good = frame(b"1234")
    for _ in range(300):
        left, right = socket.socketpair()
        channel = Channel(left)
        broken = bytearray(good)
        for _ in range(chance.randint(1, 3)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        right.sendall(broken if chance.random() < 0.8 else chance.randbytes(chance.randrange(200)))
        right.close()
        with contextlib.suppress(ProtocolError, ChannelClosed):
            channel.receive(5)
        channel.close()


def test_the_end_of_the_other_side_is_told(pair):
    left, right = pair
    right.close()
    with pytest.raises(ChannelClosed):
        left.receive(1)
    with pytest.raises(ChannelClosed):
        left.send(Message("a"))
    with pytest.raises(ChannelClosed):
        right.receive(1)


def test_nothing_in_time_leaves_the_channel_usable(pair):
    left, right = pair
    for timeout in (0, 0.05):
        with pytest.raises(ChannelTimeout):
            left.receive(timeout)
    right.send(Message("late"))
    assert left.receive(0).name == "late"


def test_a_trickle_does_not_put_the_deadline_off(raw_end):
    channel, other = raw_end

    def trickle():
        for byte in frame(b"1234")[:40]:
            other.sendall(bytes([byte]))
            time.sleep(0.02)

    thread = threading.Thread(target=trickle)
    thread.start()
    start = time.monotonic()
    with pytest.raises(ChannelTimeout):
        channel.receive(0.2)
    assert time.monotonic() - start < 0.6
    thread.join()
    with pytest.raises(ChannelClosed):
        channel.receive(1)


def test_a_side_that_does_not_read_ends_the_other_sides_patience(pair):
    with pytest.raises(ChannelTimeout):
        pair[0].send(Message("a", blob=bytes(50_000_000)), timeout=0.2)
    with pytest.raises(ChannelClosed):
        pair[0].send(Message("a"))
