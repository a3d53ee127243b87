"""Suites that were damaged or forged: planned, or refused in a sentence that names the file."""

from __future__ import annotations

import os
import random

import pytest
from hostile import damaged, sentence

from privbench.core.errors import UserError
from privbench.suites.planning import plan_suite
from privbench.suites.reading import SHIPPED, read_suite

TEXT = (
    (SHIPPED / "smoke.toml").read_bytes()
    + b"""
[[figure]]
defense = "pixelate"
attack = "window-mean"
game = "reconstruction"
metric = "psnr"
value = 12.5
unit = "dB"
source = "S, table 1"
"""
)
VALUES = [
    b"[]", b"[[]]", b"{}", b"{a={a=1}}", b"-1", b"1e999", b"nan", b"99999999999999999999999999", b'""', b'"\\u0000"', b'"\\u001b[2J"',
    b"1979-05-27", b"07:32:00", b"true", b'["all"]', b'["vim[window=0]"]', b'"small"', b'"npz:/nowhere"', b"[" * 3000,
    b"{a=" * 3000, b'"' + b"a" * 10000 + b'"', b"[1, 'a']", b"0x7fffffffffffffff", b"'''\n'''",
]  # fmt: skip


def mutated(rng: random.Random) -> bytes:
    lines = TEXT.splitlines()
    at = rng.choice([n for n, line in enumerate(lines) if b" = " in line and b'"""' not in line])
    name, _, _ = lines[at].partition(b" = ")
    match rng.randrange(5):
        case 0 | 1:
            lines[at] = name + b" = " + rng.choice(VALUES)
        case 2:
            lines.insert(
                at,
                rng.choice([b"seeds", b"epochs", b"x", b"images", b"threads"]) + b" = " + rng.choice(VALUES),
            )
        case 3:
            lines[at] = rng.choice(
                [b"", b"[run]", b"[[defaults]]", b"[" * 5000, b"a." * 2000 + b"b = 1", b"[run.a.b]", lines[0]]
            )
        case _:
            return damaged(TEXT, rng)
    return b"\n".join(lines)


def fuzz(path, seed: int, rounds: int) -> int:
    """Try many; returns how many were planned."""
    rng, planned = random.Random(seed), 0
    for _ in range(rounds):
        path.write_bytes(mutated(rng))
        try:
            suite = plan_suite(read_suite(path))
        except UserError as error:
            sentence(error, str(path))
            continue
        planned += 1
        assert all(run.plan.cells for run in suite.runs)
    return planned


def test_a_damaged_suite_is_planned_or_refused_in_a_sentence(tmp_path):
    assert 0 < fuzz(tmp_path / "mine.toml", 0, 300) < 300


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 4))
def test_a_damaged_suite_is_planned_or_refused_at_length(tmp_path, seed):
    fuzz(tmp_path / "mine.toml", seed, 3000)


IN_THE_PLACE = {
    "folder": lambda path: path.mkdir(),
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
    "large": lambda path: path.write_bytes(b"#" * 2**24),
    "nested": lambda path: path.write_bytes(b"a = " + b"[" * 100_000),
}


@pytest.mark.parametrize("what", IN_THE_PLACE)
def test_what_stands_in_the_place_of_a_suite_is_refused(tmp_path, what):
    path = tmp_path / "mine.toml"
    IN_THE_PLACE[what](path)
    with pytest.raises(UserError, match=r"mine\.toml"):
        read_suite(path)
