"""Scales: how much data, training and attack budget a run spends."""

from __future__ import annotations

from typing import Literal, TypeVar

Scale = Literal["smoke", "small", "paper"]

T = TypeVar("T")


def by_scale(scale: Scale, smoke: T, small: T, paper: T) -> T:
    """The value that belongs to ``scale``: seconds, two CPU cores, or what publications used.

    >>> by_scale("small", 1, 10, 100)
    10
    """
    return {"smoke": smoke, "small": small, "paper": paper}[scale]
