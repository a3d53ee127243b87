"""Selectors that people, and worse, may type: a sentence, or a method that its own selector names again."""

from __future__ import annotations

import random

import pytest
from hostile import sentence

from privbench.core import registry
from privbench.core.errors import UserError
from privbench.engine.selection import expand, method_of

NAMES = {kind: registry.names(kind) for kind in registry.KINDS}
VALUES = [
    "0", "1", "-1", "7", "+7", "07", "7.0", "7.5", "1e3", "1e400", "nan", "inf", "-inf", "1_000", "٣", "²", "0x10", "true", "True",
    "none", "fixed", "fresh", "offline", "", " ", "9" * 5000, "99999999999999999999999", "\x1b[31m", "\udc80", "\0", "a" * 5000,
    "../..", "'", '"', "{}", "𝟟", "1,2", "=", "7 ", "7\n", "\u202e7",
]  # fmt: skip
JUNK = [
    "", " ", "[", "]", "[]", "a[", "a]", "a[b", "a[b]", "a[=]", "a[b=]", "a[=c]", "a[b=c]]", "[[a]]", "a[b=c,b=d]", "npz:", ":", "npz:/",
    "./x.py", "./x.py:", ":A", "./x.py:A[", "/:A.py:", "x.py:A", ".py:A", "/.py:A", "\0.py:A", "a\0b", "all", "all[x=1]", "a" * 100_000,
    "npz:" + "a" * 5000, "b" * 5000 + ".py:A", "\udcff.py:A", "npz:\udcff", "imagefolder:\0", "\x1b[2J", "~/x.py:A", "~nosuch/x.py:A",
    "/dev/zero:A.py:B", "/dev/full.py:A", "/tmp.py:A", "npz:[", "npz:a[size=1]", "./.py", "\u202e", "vim\n[window=7]", "vim [window=7]",
    "//server/x.py:A", "vim[window=7", "vim[window=7]]", "vim[[window=7]]", "vim[window:7]", "ViM", "vim;", "vim,blur", "-vim", "--vim",
]  # fmt: skip


def mutated(rng: random.Random, kind: str) -> str:
    """Something like a selector."""
    if rng.random() < 0.2:
        return rng.choice(JUNK)
    name = rng.choice(NAMES[kind])
    fields = sorted(registry.find(kind, name).model_fields) or ["x"]
    given = [f"{rng.choice(fields)}={rng.choice(VALUES)}" for _ in range(rng.randrange(4))]
    text = f"{name}[{','.join(given)}]" if given else name
    if rng.random() < 0.3:
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", "[", "]", "=", ",", ":", "\0", "\x1b", "é", " "]) + text[at + 1 :]
    return text


def fuzz(seed: int, rounds: int) -> int:
    """Try many; returns how many were methods."""
    rng, made = random.Random(seed), 0
    for _ in range(rounds):
        kind = rng.choice(registry.KINDS)
        text = mutated(rng, kind)
        try:
            method = method_of(kind, text) if rng.random() < 0.7 else expand(kind, [text])[0]
        except UserError as error:
            sentence(error)
            continue
        made += 1
        again = method_of(kind, method.selector)
        # How to get the data is no part of a name.
        assert again.model_dump(exclude={"download"}) == method.model_dump(exclude={"download"}), text
        assert again.selector == method.selector, text
    return made


def test_a_selector_names_a_method_that_it_names_again_or_is_refused_in_a_sentence():
    assert fuzz(0, 3000) > 300


@pytest.mark.parametrize("kind", ["attack", "defense", "dataset", "model"])
@pytest.mark.parametrize("text", JUNK, ids=lambda text: ascii(text[:20]))
def test_junk_is_refused_in_a_sentence(kind, text):
    if (kind, text.strip()) == ("defense", "vim [window=7]"):
        return
    try:
        found = expand(kind, [text])
    except UserError as error:
        sentence(error)
    else:
        assert [method_of(kind, method.selector).selector for method in found]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_selector_names_a_method_that_it_names_again_or_is_refused_at_length(seed):
    fuzz(seed, 30_000)
